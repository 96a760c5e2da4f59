"""Move a config's data to another folder by one option."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from .config_check import ConfigError

__all__ = ['move_data_root']

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def move_data_root(cfg: Config, root: str) -> None:
    """Replace the config's ``data_root`` in every path of its loaders.

    A config states its ``data_root`` once and builds paths from it. This
    makes ``--cfg-options data_root=FOLDER`` do what it says: options come
    after the paths have been built.

    Args:
        cfg (Config): The config, changed in place.
        root (str): The other folder.

    Raises:
        ConfigError: If the config has no ``data_root``, or no path that starts
            with it.
    """
    old = cfg.get('data_root')
    if not isinstance(old, str):
        raise ConfigError('the config has no data_root to be replaced')
    moved = [
        _move(cfg[loader], old.rstrip('/'), root.rstrip('/'))
        for loader in LOADERS
        if cfg.get(loader) is not None
    ]
    if not any(moved):
        raise ConfigError(f'no path of the config starts with {old!r}')
    cfg.data_root = root


def _move(node: Any, old: str, new: str) -> int:
    """Replace the prefix in a tree of dicts and lists; count the paths."""
    moved = 0
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(pairs):
        if isinstance(value, dict | list):
            moved += _move(value, old, new)
        elif isinstance(value, str) and (value + '/').startswith(old + '/'):
            node[key] = new + value[len(old) :]
            moved += 1
    return moved
