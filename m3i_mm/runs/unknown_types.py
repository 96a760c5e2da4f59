"""Where a config has a type, and which one no registry holds."""

from __future__ import annotations

from collections.abc import Iterable
from types import FrameType
from typing import Any

from mmengine.config import Config
from mmengine.registry import FUNCTIONS, OPTIMIZERS, Registry

from m3i_mm.utils.names import near_names

__all__ = ['explain_lookup', 'find_type', 'unknown_type']


def unknown_type(place: str, name: str, registry: Registry) -> str:
    """Say that a registry does not hold a type, and what is like it.

    Args:
        place (str): The entry of the config.
        name (str): The type.
        registry (Registry): Where it was looked for.

    Returns:
        str: One line.
    """
    return f'{place}: there is no type {name!r}.' + near_names(
        name.split('.')[-1], _registered(registry)
    )


def explain_lookup(frames: list[FrameType], cfg: Config) -> str | None:
    """Name a type that a registry did not have, where MMEngine went on.

    Args:
        frames (list[FrameType]): Those of an exception, the last one last.
        cfg (Config): The config, to find the place.

    Returns:
        str | None: One line, if that is what happened.
    """
    for frame in frames:
        found = frame.f_locals
        if found.get('optimizer_cls', frame) is None:
            name = found['self'].optimizer_cfg['type']
            return unknown_type('optim_wrapper.optimizer', name, OPTIMIZERS)
        if found.get('collate_fn', frame) is None:
            name = found.get('collate_fn_type')
            if isinstance(name, str):
                place = find_type(cfg, name) or 'collate_fn'
                return unknown_type(place, name, FUNCTIONS)
    return None


def find_type(
    node: Any, type_name: Any, key: str | None = None, path: str = ''
) -> str | None:
    """Find a type, or a key of its settings, in a config.

    Args:
        node (Any): The config, or a part of it.
        type_name (Any): Its ``type``; None fits any dict.
        key (str, optional): A key that is looked for beside it.
        path (str): The dotted place of ``node``.

    Returns:
        str | None: The dotted place, if there is one.
    """
    if isinstance(node, (dict, Config)):
        fits = type_name is None or node.get('type') == type_name
        if fits and (key is None or key in node):
            return '.'.join(filter(None, (path, key)))
        items: Iterable[tuple[Any, Any]] = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        return None
    for name, child in items:
        place = find_type(child, type_name, key, f'{path}.{name}'.lstrip('.'))
        if place:
            return place
    return None


def _registered(registry: Registry) -> set[str]:
    """Return the names in a registry, its ancestors and their children."""
    names: set[str] = set()
    node: Registry | None = registry
    while node is not None:
        names |= set(node.module_dict)
        for child in node.children.values():
            names |= set(child.module_dict)
        node = node.parent
    return names
