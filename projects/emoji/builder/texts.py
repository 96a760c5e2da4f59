"""Names, keywords and categories of emoji.

The texts are those of the Unicode CLDR as ``emojibase-data`` packs them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .npm import read_member

# Flags are nearly the same picture at every vendor, which makes them a leak;
# components are skin tones and hair styles, no pictures of their own.
EXCLUDED_GROUPS = ('flags', 'component')


@dataclass(frozen=True)
class EmojiText:
    """Texts and categories of one emoji.

    Args:
        hexcode (str): Unicode code points in upper-case hexadecimals joined
            by ``-``, e.g. ``'1F468-200D-1F33E'``.
        name (str): CLDR short name in English.
        keywords (tuple[str, ...]): CLDR keywords in English.
        group (str): Coarse category, e.g. ``'food-drink'``.
        subgroup (str): Fine category, e.g. ``'food-fruit'``.
    """

    hexcode: str
    name: str
    keywords: tuple[str, ...]
    group: str
    subgroup: str


def read_texts(package: Path) -> list[EmojiText]:
    """Read the ``emojibase-data`` package.

    Skin-tone variants and ``EXCLUDED_GROUPS`` are left out.

    Args:
        package (Path): ``.tgz`` file of ``emojibase-data``.

    Returns:
        list[EmojiText]: Emoji in CLDR order, which keeps the members of a
        group and of a subgroup together.
    """
    names = json.loads(read_member(package, 'meta/groups.json'))
    rows = json.loads(read_member(package, 'en/data.json'))
    # regional indicators belong to no group
    rows = [row for row in rows if 'group' in row]
    texts = [
        EmojiText(
            hexcode=row['hexcode'],
            name=row['label'],
            keywords=tuple(
                t for t in row.get('tags', []) if t != row['label']
            ),
            group=names['groups'][str(row['group'])],
            subgroup=names['subgroups'][str(row['subgroup'])],
        )
        for row in sorted(rows, key=lambda row: row['order'])
    ]
    return [text for text in texts if text.group not in EXCLUDED_GROUPS]
