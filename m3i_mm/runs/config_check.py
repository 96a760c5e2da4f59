"""Turn mistakes in a config into one line that names them.

A mistake shows in one of three places: as a key that MMEngine's runner never
reads, as a folder that is not there, or as an exception from deep inside a
registry. The first two are looked for before anything is built
(:func:`check_config`); the third is translated when it happens
(:func:`explained_errors`).
"""

from __future__ import annotations

import inspect
import os.path as osp
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from types import TracebackType
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import FlexibleRunner, Runner

from .dataset_errors import explain_dataset_error

__all__ = [
    'ConfigError',
    'check_config',
    'check_overrides',
    'explained_errors',
]

# Read by the runner through its `cfg` instead of an argument
_KEYS_READ_FROM_CFG = {
    'activation_checkpointing',
    'auto_scale_lr',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'launcher',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
    'work_dir',
}
_REQUIRED = {
    'train': ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'),
    'test': ('model', 'test_dataloader', 'test_cfg', 'test_evaluator'),
}


class ConfigError(ValueError):
    """A config, or an override of it, that cannot work as it is written."""


def runner_keys() -> set[str]:
    """Return every top-level key that MMEngine's runners read."""
    keys = set(_KEYS_READ_FROM_CFG)
    for runner in (Runner, FlexibleRunner):
        keys |= set(inspect.signature(runner.__init__).parameters)
    return keys - {'self', 'cfg'}


def _suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    matches = get_close_matches(name, sorted(known), n=3, cutoff=cutoff)
    return f' Did you mean {" or ".join(map(repr, matches))}?' * bool(matches)


def check_overrides(cfg: Config, overrides: dict[str, Any]) -> None:
    """Check that every override addresses a key that something reads.

    Args:
        cfg (Config): The config before the overrides are merged.
        overrides (dict): Dotted key to value, as in ``--cfg-options``.

    Raises:
        ConfigError: If the first component of a key is neither in the config
            nor known to the runner.
    """
    known = runner_keys() | set(cfg)
    for key in overrides:
        head = key.split('.')[0]
        if head not in known:
            raise ConfigError(
                f'--cfg-options {key}: neither {cfg.filename} nor the runner '
                f'has a key {head!r}.' + _suggest(head, known)
            )


def check_config(cfg: Config, mode: str) -> None:
    """Check the keys and the data folders of a config.

    Any name is legal at the top level of a config, as a variable for other
    entries, so only names that nearly spell one of the runner's are mistakes.

    Args:
        cfg (Config): The complete config.
        mode (str): ``'train'`` or ``'test'``.

    Raises:
        ConfigError: If a key is misspelt or missing or a ``data_root`` does
            not exist.
    """
    known = runner_keys()
    for key in _REQUIRED[mode]:
        if cfg.get(key) is None:
            raise ConfigError(
                f'{cfg.filename} has no {key!r}, which tools/{mode}.py needs.'
                + _suggest(key, set(cfg) - known)
            )
    for key in set(cfg) - known:
        hint = _suggest(key, known, cutoff=0.88)
        if hint and len(key) > 7:
            raise ConfigError(
                f'Nothing reads the key {key!r} of {cfg.filename}.{hint}'
            )
    fields = ['test_dataloader']
    if mode == 'train':
        fields = ['train_dataloader', 'val_dataloader']
    for field in fields:
        _check_data_roots(cfg.get(field), field)


def _check_data_roots(node: Any, path: str) -> None:
    if isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            _check_data_roots(child, f'{path}.{index}')
    if not isinstance(node, dict):
        return
    root = node.get('data_root')
    is_local = isinstance(root, str) and '://' not in root and ':' not in root
    if is_local and root and not osp.isdir(root):
        raise ConfigError(
            f'{path}.data_root: there is no folder {root!r} (looked in '
            f'{osp.abspath(root)}). Put the data there or give its place with '
            f'--cfg-options {path}.data_root=FOLDER'
        )
    for key, child in node.items():
        _check_data_roots(child, f'{path}.{key}')


@contextmanager
def explained_errors(cfg: Config) -> Iterator[None]:
    """Translate a registry's exceptions into one line each.

    Args:
        cfg (Config): The config that is being built, to find the place.

    Raises:
        ConfigError: Instead of the ``KeyError`` of a type that no registry
            holds, the ``TypeError`` of an argument that the type does not
            take, and whatever a data set raises over its annotations. Other
            exceptions pass unchanged.
    """
    try:
        yield
    except Exception as error:
        message = explain_dataset_error(error)
        if message is None and isinstance(error, (KeyError, TypeError)):
            message = _explain(error, cfg)
        if message is None:
            raise
        raise ConfigError(message) from error


def _build_frame(traceback: TracebackType | None) -> dict[str, Any] | None:
    """Return the variables of the innermost ``build_from_cfg``."""
    found = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == 'build_from_cfg':
            found = traceback.tb_frame.f_locals
        traceback = traceback.tb_next
    return found


def _explain(error: Exception, cfg: Config) -> str | None:
    frame = _build_frame(error.__traceback__)
    if frame is None or 'obj_type' not in frame:
        return None
    type_name, built = frame['obj_type'], frame.get('obj_cls')
    if isinstance(error, KeyError):
        if built is not None:
            return None
        registry = frame['registry']
        place = _find(cfg, type_name) or f'a {registry.name!r} registry'
        return f'{place}: there is no type {type_name!r}.' + _suggest(
            type_name.split('.')[-1], _registered(registry)
        )
    match = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if match is None or match[1] not in frame['args'] or built is None:
        return None
    key = match[1]
    place = _find(cfg, type_name, key) or getattr(built, '__name__', built)
    accepted = set(inspect.signature(built).parameters) - {'kwargs', 'args'}
    return (
        f'{place}: {getattr(built, "__name__", built)} takes no argument '
        f'{key!r}.' + _suggest(key, accepted)
    )


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


def _find(
    node: Any, type_name: Any, key: str | None = None, path: str = ''
) -> str | None:
    """Return the dotted place of a ``type`` (and a key) in a config."""
    if isinstance(node, (dict, Config)):
        if node.get('type') == type_name and (key is None or key in node):
            return '.'.join(filter(None, (path, key)))
        items: Iterable[tuple[Any, Any]] = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        return None
    for name, child in items:
        place = _find(child, type_name, key, f'{path}.{name}'.lstrip('.'))
        if place:
            return place
    return None
