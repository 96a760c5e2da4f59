"""Layers of a network by the patterns in which timm tells them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ['number_layers']

# timm's sign for what counts with the layer before it
PREVIOUS = 99999


def number_layers(
    names: Iterable[str], matcher: Mapping[str, Any]
) -> dict[str, int]:
    """Number the layers of parameters from the input on.

    Args:
        names (Iterable[str]): Names of parameters.
        matcher (Mapping): What ``group_matcher`` of timm's models returns:
            for parts in order a pattern, or a list of pairs of a pattern and
            numbers that come after those in it; 99999 is the layer before.

    Returns:
        dict[str, int]: The layer of each name, without gaps from 0; what no
        pattern matches is in the last.
    """
    patterns = []
    for order, spec in enumerate(matcher.values()):
        pairs = [(spec, None)] if isinstance(spec, str) else spec
        patterns += [(re.compile(p), order, after) for p, after in pairs]

    def key(name: str) -> tuple[float, ...]:
        for pattern, order, after in patterns:
            found = pattern.match(name)
            if found:
                numbers = [int(n) for n in found.groups() if n is not None]
                return (order, *numbers, *(after or ()))
        return (float('inf'),)

    keys = {name: key(name) for name in names}
    layers: dict[tuple[float, ...], int] = {}
    for k in sorted(set(keys.values())):
        last = max(layers.values(), default=-1)
        layers[k] = last if k[-1] == PREVIOUS and layers else last + 1
    return {name: layers[k] for name, k in keys.items()}
