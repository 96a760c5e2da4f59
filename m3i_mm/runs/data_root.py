"""Move a config's data to another folder by one setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from .config_check import ConfigError

__all__ = ['follow_data_root', 'move_data_root']

# what reads data: loaders, and evaluators that open annotation files
DATA = tuple(
    f'{mode}_{part}'
    for mode in ('train', 'val', 'test')
    for part in ('dataloader', 'evaluator')
)
# a teacher's weights may lie beside the data
SECTIONS = (*DATA, 'model')


def move_data_root(cfg: Config, root: str) -> None:
    """Replace the config's ``data_root`` in all paths of data and model.

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
    if not _move_sections(cfg, old, root):
        raise ConfigError(f'no path of the config starts with {old!r}')
    cfg.data_root = root


def follow_data_root(cfg: Config) -> None:
    """Let the paths of an inheriting config follow its ``data_root``.

    A config that inherits and states another ``data_root`` changes a variable
    from which its bases have built their paths before. If nothing of the
    config lies in the new folder, those paths are moved to it, and that is
    logged.

    Args:
        cfg (Config): The config as read from a file, changed in place.
    """
    root = cfg.get('data_root')
    if not isinstance(root, str) or not cfg.filename:
        return
    if _move_sections(cfg, root, root, DATA):
        return
    for old in _inherited_roots(cfg.filename):
        moved = _move_sections(cfg, old, root)
        if moved:
            print_log(
                f'data_root: {moved} inherited paths moved from {old!r} to '
                f'{root!r}',
                logger='current',
            )
            return


def _inherited_roots(filename: str) -> Iterator[str]:
    """Yield the ``data_root`` of every base, the nearest first."""
    for base in Config._get_base_files(filename):
        path, _ = Config._get_cfg_path(base, filename)
        root = Config.fromfile(path, import_custom_modules=False).get(
            'data_root'
        )
        if isinstance(root, str):
            yield root
        yield from _inherited_roots(path)


def _move_sections(
    cfg: Config, old: str, new: str, sections: tuple[str, ...] = SECTIONS
) -> int:
    old, new = old.rstrip('/'), new.rstrip('/') or '/'
    there = [cfg[key] for key in sections if cfg.get(key) is not None]
    return sum(_move(node, old, new) for node in there)


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
