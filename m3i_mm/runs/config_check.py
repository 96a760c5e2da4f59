"""Turn mistakes in a config into one line that names them.

A mistake shows in one of three places: as a key that MMEngine's runner never
reads, as a folder that is not there, or as an exception from deep inside a
registry. The first two are looked for here, before anything is built; the
third is translated when it happens (:mod:`m3i_mm.runs.explain`).
"""

from __future__ import annotations

import inspect
import os.path as osp
from importlib.util import find_spec
from logging import getLevelName
from math import inf
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import MODELS
from mmengine.runner import FlexibleRunner, Runner

from m3i_mm.utils.names import near_names

__all__ = [
    'ConfigError',
    'StepError',
    'check_config',
    'check_overrides',
    'check_values',
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
    'new_weights',
    'runner_type',
    'sync_bn',
    'work_dir',
}
_REQUIRED = {
    'train': ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'),
    'test': ('model', 'test_dataloader', 'test_cfg', 'test_evaluator'),
}
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# entries that hold settings, where they are there
_SETTINGS = (
    'auto_scale_lr',
    'data_preprocessor',
    'default_hooks',
    'env_cfg',
    'model',
    'optim_wrapper',
    'randomness',
    'test_cfg',
    'train_cfg',
    'val_cfg',
    'visualizer',
    *_LOADERS,
)
# entries with a number -> the smallest and the greatest
_NUMBERS = {
    'randomness.seed': (0, 2**32 - 1),
    'train_cfg.max_epochs': (1, inf),
    'train_cfg.max_iters': (1, inf),
    'train_cfg.val_interval': (1, inf),
    **{f'{loader}.batch_size': (1, inf) for loader in _LOADERS},
    **{f'{loader}.num_workers': (0, inf) for loader in _LOADERS},
}
_WAY_OUT = {
    'test_dataloader': ' Own data takes its place: --data FOLDER.',
}


class ConfigError(ValueError):
    """A config, or an override of it, that cannot work as it is written."""


class StepError(ConfigError):
    """A training step that fails; a fault of the config or of the program."""


def runner_keys() -> set[str]:
    """Return every top-level key that MMEngine's runners read."""
    keys = set(_KEYS_READ_FROM_CFG)
    for runner in (Runner, FlexibleRunner):
        keys |= set(inspect.signature(runner.__init__).parameters)
    return keys - {'self', 'cfg'}


def check_overrides(cfg: Config, overrides: dict[str, Any]) -> None:
    """Check that every override addresses a key that something reads.

    Args:
        cfg (Config): The config before the overrides are merged.
        overrides (dict): Dotted key to value, as in ``--cfg-options``.

    Raises:
        ConfigError: If the first component of a key is neither in the config
            nor known to the runner, or a variable that was used up.
    """
    readers = runner_keys() | {'data_root'}
    known = readers | set(cfg)
    for key in overrides:
        head = key.split('.')[0]
        if head not in known:
            raise ConfigError(
                f'--cfg-options {key}: neither {cfg.filename} nor the runner '
                f'has a key {head!r}.' + near_names(head, known)
            )
        if head not in readers and not isinstance(cfg[head], (dict, list)):
            raise ConfigError(
                f'--cfg-options {key}: other entries of {cfg.filename} used '
                'this variable when it was read, and nothing reads it now: '
                'change it in the file, or the entries'
            )


def check_values(cfg: Config) -> None:
    """Check the entries that all tools and MMEngine's runner rely on.

    Args:
        cfg (Config): The config.

    Raises:
        ConfigError: If settings are no dictionary, a count is no whole number
            in its range, or the default scope is no library.
    """
    for key in _SETTINGS:
        value = cfg.get(key)
        if value is not None and not isinstance(value, dict):
            raise ConfigError(f'{key} holds settings, not {value!r}')
    for key, (least, most) in _NUMBERS.items():
        group, name = key.split('.')
        value = (cfg.get(group) or {}).get(name)
        fits = isinstance(value, int) and least <= value <= most
        if value is not None and not fits:
            most_said = f' and of at most {most}' * (most < inf)
            raise ConfigError(
                f'{key}={value!r} is no whole number of at least {least}'
                f'{most_said}'
            )
    level = cfg.get('log_level')
    if level is not None and not isinstance(getLevelName(level), int):
        raise ConfigError(
            f'log_level={level!r} is none of DEBUG, INFO, WARNING, ERROR'
        )
    _check_entries(cfg, 'param_scheduler', 'schedulers', dict)
    _check_entries(cfg, 'custom_hooks', 'hooks', (dict, Hook))
    _check_scope(cfg.get('default_scope'))


def _check_entries(
    cfg: Config, key: str, what: str, kinds: type | tuple[type, ...]
) -> None:
    entries = cfg.get(key)
    if entries is None or (isinstance(entries, dict) and dict is kinds):
        return
    if not isinstance(entries, (list, tuple)) or not all(
        isinstance(entry, kinds) for entry in entries
    ):
        raise ConfigError(
            f'{key} is a list of the settings of {what}, not {entries!r}'
        )


def _check_scope(scope: Any) -> None:
    if scope is None or scope in MODELS.children:
        return
    if not isinstance(scope, str) or find_spec(scope.split('.')[0]) is None:
        known = {'m3i_mm', 'mmdet', 'mmengine', 'mmpretrain', 'mmseg'}
        raise ConfigError(
            f'default_scope={scope!r} is no installed library.'
            + near_names(str(scope), known)
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
                + near_names(key, set(cfg) - known)
                + _WAY_OUT.get(key, '')
            )
    for key in set(cfg) - known:
        hint = near_names(key, known, cutoff=0.88)
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
