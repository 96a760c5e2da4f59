"""Class ids of emoji and the split of the concepts by family.

A split by concept leaks: *man cook* and *woman cook*, or twelve clock faces,
are nearly one drawing. Concepts are therefore split by family.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .texts import EmojiText

# Whole subgroups of near-identical drawings: one family each.
FAMILY_SUBGROUPS = (
    'time',
    'heart',
    'zodiac',
    'keycap',
    'geometric',
    'alphanum',
    'arrow',
)

HELDOUT_FRACTION = 0.2

_GENDER = re.compile(
    r'\b(man|men|woman|women|person|people|boy|girl|child|male|female'
    # CLDR writes the typographic apostrophe
    r'|mrs|mx)\b\.?(\u2019s)?'
)
# Variants of one drawing that share no word once the gender is removed.
_SYNONYMS = {
    'mermaid': 'merperson',
    'merman': 'merperson',
    'princess': 'royal',
    'prince': 'royal',
    'with crown': 'royal',
    'santa claus': 'claus',
    'older': 'old',
}


@dataclass(frozen=True)
class Concept:
    """What one emoji shows, whoever drew it, with its class ids.

    Args:
        text (EmojiText): Name, keywords and categories.
        concept (int): Class id of the concept, counting from 0.
        group_id (int): Class id of the group, counting from 0.
        subgroup_id (int): Class id of the subgroup, counting from 0.
        family (str): Concepts of one family never part in a split.
        heldout_family (bool): Whether the family is kept out of training.
    """

    text: EmojiText
    concept: int
    group_id: int
    subgroup_id: int
    family: str
    heldout_family: bool


def build_concepts(texts: list[EmojiText]) -> list[Concept]:
    """Number concepts and categories and split them by family.

    Args:
        texts (list[EmojiText]): The emoji to keep, in CLDR order.

    Returns:
        list[Concept]: One per emoji, in the same order.
    """
    group_ids = _ids(text.group for text in texts)
    subgroup_ids = _ids(text.subgroup for text in texts)
    heldout = heldout_families(texts)
    return [
        Concept(
            text=text,
            concept=index,
            group_id=group_ids[text.group],
            subgroup_id=subgroup_ids[text.subgroup],
            family=family_of(text),
            heldout_family=family_of(text) in heldout,
        )
        for index, text in enumerate(texts)
    ]


def _ids(names: Iterable[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(dict.fromkeys(names))}


def family_of(text: EmojiText) -> str:
    """Name the family of an emoji.

    Words for gender and the text after a colon (skin, hair, combination) are
    removed, so that *man cook* stays with *cook* and *woman: beard* with
    *person*.

    Args:
        text (EmojiText): The emoji.

    Returns:
        str: Name of the family.
    """
    if text.subgroup in FAMILY_SUBGROUPS:
        return text.subgroup
    words = _GENDER.sub(' ', text.name.lower().partition(':')[0]).split()
    stem = ' '.join(words) or 'person'
    return _SYNONYMS.get(stem, stem)


def heldout_families(texts: list[EmojiText]) -> set[str]:
    """Choose the families that are kept out of training.

    Of every subgroup about a fifth of the concepts is held out, in whole
    families whose order is that of a hash of their names. One family of each
    subgroup always stays, so every category of the evaluation is trained.

    Args:
        texts (list[EmojiText]): All emoji.

    Returns:
        set[str]: Names of the families.
    """
    sizes: dict[str, int] = defaultdict(int)
    subgroups: dict[str, str] = {}
    for text in texts:
        family = family_of(text)
        sizes[family] += 1
        # a family that spans subgroups counts with its first one
        subgroups.setdefault(family, text.subgroup)
    members: dict[str, list[str]] = defaultdict(list)
    for family, subgroup in subgroups.items():
        members[subgroup].append(family)
    heldout: set[str] = set()
    for families in members.values():
        heldout.update(_choose({family: sizes[family] for family in families}))
    return heldout


def _choose(sizes: dict[str, int]) -> list[str]:
    quota = math.ceil(sum(sizes.values()) * HELDOUT_FRACTION)
    chosen = []
    for family in sorted(sizes, key=_hash)[:-1]:
        if sizes[family] <= quota:
            chosen.append(family)
            quota -= sizes[family]
    return chosen


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
