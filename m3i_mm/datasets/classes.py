"""Classes that are told by their names, not by their places in a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from .faults import DataError

__all__ = ['find_same', 'match_classes', 'name_some']

# one class under the names of COCO, COCO-Stuff, ADE20K, LVIS, Objects365, VOC
SYNONYMS = (
    ('airplane', 'aeroplane'),
    ('cell phone', 'cellular telephone'),
    ('couch', 'sofa'),
    ('dining table', 'dinning table', 'diningtable'),
    ('donut', 'doughnut'),
    ('fire hydrant', 'fireplug'),
    ('hair drier', 'hair dryer'),
    ('keyboard', 'computer keyboard'),
    ('laptop', 'laptop computer'),
    ('microwave', 'microwave oven'),
    ('motorcycle', 'motorbike', 'minibike'),
    ('potted plant', 'pottedplant'),
    ('remote', 'remote control'),
    ('skis', 'ski'),
    ('tie', 'necktie'),
    ('tv', 'television set', 'television receiver', 'tvmonitor'),
    ('window', 'windowpane'),
    ('wine glass', 'wineglass'),
)
_FIRST = {name: names[0] for names in SYNONYMS for name in names}


def name_some(classes: Sequence[str], most: int = 5) -> str:
    """Return the first names and how many more there are, for a message."""
    names = ', '.join(map(repr, classes[:most]))
    more = len(classes) - most
    return f'{names} and {more} more' if more > 0 else names


def match_classes(
    classes: Sequence[str], reference: Sequence[str], who: str
) -> np.ndarray:
    """Find the classes of one list in another, by name.

    Args:
        classes (Sequence[str]): The names that a data set numbers.
        reference (Sequence[str]): The names whose numbers are wanted.
        who (str): The data set, for the message.

    Returns:
        np.ndarray: The number in ``reference`` of each class, (num_classes,).

    Raises:
        DataError: If a name is not in ``reference``.
    """
    numbers = {name: number for number, name in enumerate(reference)}
    unknown = [name for name in classes if name not in numbers]
    if unknown:
        raise DataError(
            f'{who} has the classes {name_some(unknown)}, which are not among '
            f'{name_some(reference)}'
        )
    return np.array([numbers[name] for name in classes], dtype=np.int64)


def find_same(old: Sequence[str], new: Sequence[str]) -> list[int | None]:
    """Find the same classes in the lists of two data sets.

    Spelling does not count: ``'Moniter/TV'`` of Objects365, ``'tv'`` of COCO
    and ``'television_set'`` of LVIS are one class. Where a name has several
    parts, a class of the whole name comes first.

    Args:
        old (Sequence[str]): The names by number.
        new (Sequence[str]): The names of the other list.

    Returns:
        list[int | None]: For each of ``new`` its number in ``old``, or None.
    """
    if list(old) == list(new):
        return list(range(len(old)))
    numbers: dict[str, int] = {}
    spelt = [list(_spellings(name)) for name in old]
    for whole in (True, False):
        for number, names in enumerate(spelt):
            for name in names[:1] if whole else names[1:]:
                numbers.setdefault(name, number)
    return [
        next((numbers[s] for s in _spellings(n) if s in numbers), None)
        for n in new
    ]


def _spellings(name: str) -> Iterator[str]:
    """Yield a name as it is compared, then its parts."""
    # LVIS explains in brackets, COCO-Stuff tells the rest of a kind apart
    text = re.sub(r'\(.*?\)', '', name.lower())
    text = re.sub(r'[-_](other|stuff)$', '', text)
    text = re.sub(r'[-_\s]+', ' ', text).strip()
    for part in (text, *re.split(r'\s*[/,;]\s*', text)):
        yield _FIRST.get(part, part)
