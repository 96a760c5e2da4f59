"""What of some wanted tensors a file holds, by name and shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ['Comparison', 'compare']


@dataclasses.dataclass
class Comparison:
    """What of some wanted tensors is given.

    Attributes:
        wanted (dict[str, tuple]): Shapes by name.
        given (dict[str, tuple]): Shapes by name.
        matched (list[str]): Names in both with one shape.
        lacking (list[str]): Wanted names that are not given.
        unequal (list[str]): Names in both with two shapes.
        left_over (list[str]): Given names that are not wanted.
    """

    wanted: dict[str, tuple[int, ...]]
    given: dict[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        wanted, given = self.wanted, self.given
        self.lacking = [name for name in wanted if name not in given]
        self.left_over = [name for name in given if name not in wanted]
        self.matched = [n for n in wanted if given.get(n) == wanted[n]]
        self.unequal = [
            n for n in wanted if n in given and given[n] != wanted[n]
        ]

    def describe(self, names: Iterable[str]) -> str:
        """Say what is wrong with some of the names.

        Args:
            names (Iterable[str]): Names that are lacking, unequal or left
                over.

        Returns:
            str: Number and first names of each kind, without a full stop.
        """
        chosen = set(names)
        kinds = (
            ('it lacks {}', self.lacking, repr),
            ('{} differ in shape', self.unequal, self._shapes),
            ('{} more are in it', self.left_over, repr),
        )
        parts = []
        for words, found, tell in kinds:
            listed = [name for name in found if name in chosen]
            if listed:
                first = ', '.join(map(tell, listed[:3]))
                dots = ', ...' if len(listed) > 3 else ''
                parts.append(f'{words.format(len(listed))}: {first}{dots}')
        return '; '.join(parts)

    def _shapes(self, name: str) -> str:
        return (
            f'{name!r} has the shape {self.wanted[name]}, '
            f'in the file {self.given[name]}'
        )


def compare(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> Comparison:
    """Compare names and shapes; what is no tensor does not count.

    Args:
        wanted (Mapping): Tensors by name.
        given (Mapping): Tensors by name.

    Returns:
        Comparison: What fits and what does not.
    """
    return Comparison(_shapes_of(wanted), _shapes_of(given))


def _shapes_of(entries: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(value.shape)
        for name, value in entries.items()
        if hasattr(value, 'shape')
    }
