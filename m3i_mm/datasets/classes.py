"""Classes that are told by their names, not by their places in a list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .faults import DataError

__all__ = ['match_classes', 'name_some']


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
