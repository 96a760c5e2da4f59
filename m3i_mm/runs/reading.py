"""Read a config: the one way of every tool and api.

By path or by name, with the overrides of a command line, its ``data_root``
moved, and every mistake in one line.
"""

from __future__ import annotations

import os.path as osp
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config.utils import (
    MODULE2PACKAGE,
    ConfigParsingError,
    _get_package_and_cfg_path,
)

import m3i_mm
from m3i_mm.checkpoints.released import find_released, near_released
from m3i_mm.utils.names import near_names

from .config_check import ConfigError, check_overrides, check_values
from .data_root import follow_data_root, move_data_root

__all__ = [
    'config_of_released',
    'find_config',
    'read_config',
    'shipped_configs',
]


def shipped_configs() -> dict[str, str]:
    """List the configs that come with the package.

    Returns:
        dict[str, str]: Path by name below ``configs/``, without ``.py``;
        what only serves inheritance (``_base_``) is left out.
    """
    root = Path(m3i_mm.__file__).resolve().parent / '.mim' / 'configs'
    return {
        path.relative_to(root).with_suffix('').as_posix(): str(path)
        for path in sorted(root.rglob('*.py'))
        if '_base_' not in path.parts
    }


def find_config(name: str) -> str:
    """Find a config file.

    Args:
        name (str): A path; ``'library::folder/config.py'``; or a config of
            this package, with or without folder and ``.py``.

    Returns:
        str: The path.

    Raises:
        ConfigError: If there is none; near names are proposed.
    """
    if osp.isfile(name):
        return name
    if '::' in name:
        return _find_in_library(name)
    shipped = shipped_configs()
    stem = name.removesuffix('.py')
    if stem in shipped:
        return shipped[stem]
    found = [
        path for key, path in shipped.items() if key.split('/')[-1] == stem
    ]
    if len(found) == 1:
        return found[0]
    stems = {key.split('/')[-1] for key in shipped}
    if osp.isdir(name):
        raise ConfigError(
            f'{name!r} is a folder, and a config is needed. m3i data check '
            'looks at pictures, m3i test at a run'
        )
    raise ConfigError(
        f'there is no config {name!r}, neither as a file nor among the '
        "package's, which m3i configs lists."
        + near_names(stem.split('/')[-1], stems)
    )


def config_of_released(name: str) -> str:
    """Find the config by which a file of the authors is evaluated.

    Args:
        name (str): Name of the file.

    Returns:
        str: Name of the config.

    Raises:
        ConfigError: If there is no such file, or it has none or several
            configs. They are named.
    """
    released = find_released(name)
    if released is None:
        raise ConfigError(
            f'a checkpoint stands alone if it is one of `m3i configs '
            f'--released`, and {name!r} is none.{near_released(name)} Give '
            'config and checkpoint'
        )
    if released.options:
        raise ConfigError(
            f'{released.name} is a pre-training without a test set: backbones '
            'start from it, init_cfg=dict(type="Pretrained", '
            f'checkpoint="{released.name}.pth")'
        )
    if len(released.configs) > 1:
        raise ConfigError(
            f'{released.name} is evaluated by several configs, give one '
            f'before it: {" or ".join(released.configs)}'
        )
    return released.configs[0]


def _find_in_library(name: str) -> str:
    try:
        _get_package_and_cfg_path(name)
        path, _ = Config._get_cfg_path(name, '')
    except ModuleNotFoundError as error:
        raise ConfigError(f'{name}: {error}') from error
    except (AssertionError, ValueError) as error:
        library = name.partition('::')[0]
        raise ConfigError(
            f'{name} is not of the form library::folder/config.py, with the '
            'name of a library.' + near_names(library, MODULE2PACKAGE)
        ) from error
    except FileNotFoundError as error:
        raise ConfigError(_missing_base(error)) from error
    return str(path)


def _missing_base(error: FileNotFoundError) -> str:
    """Describe a config that is not there, by MMEngine's exception."""
    message = str(error).splitlines()[0]
    name = message.split('"')[1] if '"' in message else error.filename
    path = Path(name or message)
    siblings = {file.name for file in path.parent.glob('*.py')}
    return f'there is no config {str(path)!r}.' + near_names(
        path.name, siblings
    )


def read_config(
    config: str | Config, options: dict[str, Any] | None = None
) -> Config:
    """Read a config and apply overrides.

    A ``data_root`` among the overrides, or in a config that inherits, moves
    every path of the loaders and evaluators.

    Args:
        config (str | Config): See :func:`find_config`; a config that was read
            is changed in place.
        options (dict, optional): Dotted key to value, as in
            ``--cfg-options``.

    Returns:
        Config: The config.

    Raises:
        ConfigError: If there is no such config, it cannot be read, an
            override addresses nothing, or a value cannot work.
    """
    cfg = config if isinstance(config, Config) else _read(find_config(config))
    options = dict(options or {})
    check_overrides(cfg, options)
    root = options.get('data_root')
    if root is not None:
        move_data_root(cfg, str(root))
    try:
        cfg.merge_from_dict(options)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ConfigError(f'--cfg-options: {error}') from error
    check_values(cfg)
    return cfg


def _read(path: str) -> Config:
    try:
        cfg = Config.fromfile(path)
    except FileNotFoundError as error:
        raise ConfigError(f'{path}: {_missing_base(error)}') from error
    except RecursionError as error:
        raise ConfigError(f'{path}: it inherits from itself') from error
    except (SyntaxError, ConfigParsingError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f'{path}: no valid config: {first}') from error
    except Exception as error:  # the file is a program: it may raise anything
        first = str(error).splitlines()[0] if str(error) else ''
        if '_get_package_and_cfg_path' in first:
            raise ConfigError(
                f'{path}: a name in _base_ is not of the form '
                'library::folder/config.py'
            ) from error
        raise ConfigError(
            f'{path}: {type(error).__name__}: {first}'
        ) from error
    follow_data_root(cfg)
    return cfg
