"""Build what a config describes: the one way of every tool and api.

Names resolve in the scope of the config's task (``default_scope``), and a
model gets the config's data preprocessor, as MMEngine's runner does both.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from mmengine.registry import MODELS, RUNNERS, DefaultScope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from m3i_mm.engine.hooks import (
    AccumulatedGradientsHook,
    AnnotationHook,
    CatchUpValidationHook,
    CheckpointFitHook,
    EqualBuffersHook,
)

from .config import complete_dataloader
from .config_check import ConfigError
from .config_text import FormattedConfig
from .console import QuietRunner, import_quietly
from .explain import explained_errors

__all__ = [
    'build_loader',
    'build_model',
    'build_runner',
    'initialize',
    'model_settings',
    'require_images_alone',
    'scope_of',
]

_MMENGINE_HOOK = 'CheckpointHook'
_HOOKS_OF_ALL_RUNS = (
    AccumulatedGradientsHook,
    AnnotationHook,
    CatchUpValidationHook,
    CheckpointFitHook,
    EqualBuffersHook,
)


def _scope_name(cfg: Config) -> str:
    return cfg.get('default_scope') or 'mmpretrain'


@contextmanager
def scope_of(cfg: Config) -> Iterator[None]:
    """Look names up where a config means them.

    Args:
        cfg (Config): The config; without a ``default_scope`` MMPretrain's.
    """
    import m3i_mm.registry  # noqa: F401

    import_quietly(_scope_name(cfg))
    with DefaultScope.overwrite_default_scope(_scope_name(cfg)):
        yield


def model_settings(cfg: Config, part: str = 'model') -> dict[str, Any]:
    """Return the settings of a model, complete and free to be changed.

    Args:
        cfg (Config): The config.
        part (str): ``'model'``, or a part of it, e.g. ``'backbone'``.

    Returns:
        dict: A copy; of a whole model with ``data_preprocessor``.

    Raises:
        ConfigError: If the config has no such part.
    """
    model = cfg.get('model')
    settings = model if part == 'model' else (model or {}).get(part)
    if not settings:
        place = part if part == 'model' else f'model.{part}'
        raise ConfigError(f'{cfg.filename or "the config"} has no {place}')
    settings = copy.deepcopy(settings)
    if part == 'model' and cfg.get('data_preprocessor') is not None:
        settings.setdefault(
            'data_preprocessor', copy.deepcopy(cfg.data_preprocessor)
        )
    return settings


def require_images_alone(cfg: Config, part: str) -> None:
    """Refuse a model that cannot run on images alone.

    Args:
        cfg (Config): The config.
        part (str): ``'model'``, or a part of it, e.g. ``'backbone'``.

    Raises:
        ConfigError: If it is the whole of a detector.
    """
    if part == 'model' and _scope_name(cfg) == 'mmdet':
        raise ConfigError(
            f'{cfg.filename or "the config"}: {cfg.model.type} is a detector, '
            'which takes more than images; its backbone is taken by --part '
            'backbone'
        )


def build_model(
    cfg: Config, part: str = 'model', settings: dict[str, Any] | None = None
) -> Any:
    """Build the model of a config, or a part of it.

    Under ``torch.device('meta')`` it takes no memory.

    Args:
        cfg (Config): The config.
        part (str): ``'model'``, or a part of it, e.g. ``'backbone'``.
        settings (dict, optional): Built in the place of the config's own;
            defaults to :func:`model_settings`.

    Returns:
        nn.Module: The model as constructed; see :func:`initialize`.

    Raises:
        ConfigError: If the config has no such part or it cannot be built.
    """
    if settings is None:
        settings = model_settings(cfg, part)
    with scope_of(cfg), explained_errors(cfg):
        return MODELS.build(settings)


def initialize(model: nn.Module) -> None:
    """Initialise weights as ``init_cfg`` and the modules say, quietly.

    MMEngine reports every parameter in a line of its own.

    Args:
        model (nn.Module): Changed in place.
    """
    if not isinstance(model, BaseModule):
        return
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        model.init_weights()
    finally:
        logger.setLevel(level)


def build_loader(
    cfg: Config, field: str = 'train_dataloader', seed: int = 0, **changes: Any
) -> DataLoader:
    """Build a loader of a config.

    Args:
        cfg (Config): The config.
        field (str): Name of the loader.
        seed (int): Seed of its order.
        **changes (Any): Settings of the loader that are replaced.

    Returns:
        DataLoader: The loader.

    Raises:
        ConfigError: If the config has no such loader or it cannot be built.
    """
    settings = cfg.get(field)
    if settings is None:
        raise ConfigError(f'{cfg.filename or "the config"} has no {field}')
    settings = copy.deepcopy(settings)
    settings.update(changes)
    complete_dataloader(settings, _scope_name(cfg))
    with scope_of(cfg), explained_errors(cfg):
        return Runner.build_dataloader(settings, seed=seed)


def build_runner(cfg: Config) -> Any:
    """Build the runner that a config asks for.

    Args:
        cfg (Config): A complete config.

    Returns:
        Runner | FlexibleRunner: The runner.
    """
    import_quietly(_scope_name(cfg))
    _use_own_checkpoint_hook(cfg)
    cfg = FormattedConfig.of(cfg)
    if 'runner_type' in cfg:
        runner = RUNNERS.build(cfg)
    else:
        runner = QuietRunner.from_cfg(cfg)
    for kind in _HOOKS_OF_ALL_RUNS:
        if not any(isinstance(hook, kind) for hook in runner.hooks):
            runner.register_hook(kind())
    return runner


def _use_own_checkpoint_hook(cfg: Config) -> None:
    """Save by the hook that never leaves a run without a checkpoint."""
    hooks = cfg.get('default_hooks') or {}
    settings = hooks.get('checkpoint', dict(interval=1))
    if settings and settings.get('type', _MMENGINE_HOOK) == _MMENGINE_HOOK:
        cfg.default_hooks = dict(
            hooks, checkpoint=dict(settings, type='m3i_mm.CheckpointHook')
        )
