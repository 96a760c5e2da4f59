"""Propose names for one that is unknown."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ['near_names']


def near_names(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Propose names for one that is unknown.

    Args:
        name (str): The unknown name.
        known (Iterable[str]): The names that there are.
        cutoff (float): Lowest similarity, in [0, 1].

    Returns:
        str: A sentence that begins with a space, empty if none is near.
    """
    matches = get_close_matches(name, sorted(known), n=3, cutoff=cutoff)
    return f' Did you mean {" or ".join(map(repr, matches))}?' * bool(matches)
