"""Complete a config with the command line and the machine's properties."""

from __future__ import annotations

import os.path as osp
from typing import Any

import torch
from mmengine.config import Config, ConfigDict

from m3i_mm.checkpoints.errors import CheckpointError
from m3i_mm.checkpoints.latest import (
    find_latest,
    require_intact,
    require_state,
)

from .config_check import ConfigError
from .processes import world_size

__all__ = [
    'complete_dataloader',
    'complete_dataloaders',
    'enable_mixed_precision',
    'scale_learning_rate',
    'set_resume',
    'set_work_dir',
]

_PRETRAIN_SCOPES = ('mmpretrain', 'm3i_mm')


def set_work_dir(cfg: Config, work_dir: str | None) -> None:
    """Set the output folder: argument, else config, else the config's name.

    Args:
        cfg (Config): The config, changed in place.
        work_dir (str | None): The folder given on the command line.
    """
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(cfg.filename))[0]
        cfg.work_dir = osp.join('work_dirs', name)


def set_resume(cfg: Config, resume: str | None) -> list[str]:
    """Set the checkpoint to continue from.

    In a work folder without a checkpoint a run starts as without
    ``--resume``, from ``load_from`` if the config has one.

    Args:
        cfg (Config): The config, changed in place.
        resume (str | None): ``'auto'`` for the last checkpoint in the work
            folder, or the path of one.

    Returns:
        list[str]: Which of the checkpoint and ``load_from`` is read, where
        both are there.

    Raises:
        CheckpointError: If the checkpoint is missing or damaged, in which
            case it names the one before, or holds weights alone.
    """
    if resume is None:
        return []
    start = cfg.get('load_from')
    if resume == 'auto':
        latest = find_latest(cfg.work_dir)
        if latest is None:
            cfg.resume = False
            said = f'--resume: {cfg.work_dir} has no checkpoint'
            return [f'{said}, load_from={start} begins' if start else said]
        resume = latest
    elif osp.isdir(resume):
        latest = find_latest(resume)
        hint = f': --resume {latest}' if latest else ', without a checkpoint'
        raise CheckpointError(f'--resume: {resume} is a folder{hint}')
    elif '://' not in resume:
        require_intact(resume)
    if '://' not in resume:
        require_state(resume)
    cfg.resume = True
    cfg.load_from = resume
    if not start or start == resume:
        return []
    return [
        f'--resume: the run continues from {resume}; load_from={start}, which '
        'begins a run, is not read'
    ]


def enable_mixed_precision(cfg: Config) -> None:
    """Train under autocast, with bfloat16 unless the config says otherwise.

    Args:
        cfg (Config): The config, changed in place.

    Raises:
        ConfigError: If the optimizer wrapper has a precision of its own.
    """
    wrapper = cfg.optim_wrapper
    replaceable = (
        'OptimWrapper',
        'AmpOptimWrapper',
        'MixedPrecisionOptimWrapper',
        'm3i_mm.MixedPrecisionOptimWrapper',
    )
    if wrapper.get('type', 'OptimWrapper') not in replaceable:
        raise ConfigError(
            f'--amp cannot be combined with optim_wrapper.type='
            f'{wrapper.type!r}; set its precision in the config.'
        )
    wrapper.type = 'm3i_mm.MixedPrecisionOptimWrapper'


def complete_dataloaders(cfg: Config) -> None:
    """Fill in the loaders' settings that depend on task and machine.

    Args:
        cfg (Config): The config, changed in place.
    """
    for field in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(field) is not None:
            complete_dataloader(cfg[field], cfg.get('default_scope'))


def complete_dataloader(loader: ConfigDict, scope: str | None) -> None:
    """Fill in a loader's settings that depend on task and machine.

    Pre-training batches are stacked (``default_collate``); detection and
    segmentation keep MMEngine's list of samples. Memory is pinned for CUDA
    only, and workers are kept only where there are any.

    Args:
        loader (ConfigDict): Settings of the loader, changed in place.
        scope (str | None): The config's ``default_scope``.
    """
    if scope in _PRETRAIN_SCOPES:
        loader.setdefault('collate_fn', dict(type='default_collate'))
        loader.setdefault('pin_memory', True)
        loader.setdefault('persistent_workers', True)
    if not torch.cuda.is_available():
        loader['pin_memory'] = False
    if loader.get('num_workers', 0) == 0:
        loader['persistent_workers'] = False


def scale_learning_rate(cfg: Config) -> str:
    """Scale the learning rate with the effective batch, if asked to.

    The effective batch is processes x batch x accumulated iterations. The
    linear rule (Goyal et al., arXiv 1706.02677) multiplies the rate by
    effective batch / ``auto_scale_lr.base_batch_size``. MMEngine's own rule
    does not count the accumulation and is switched off.

    Args:
        cfg (Config): The config, changed in place.

    Returns:
        str: The effective batch and learning rate in words, for the log.

    Raises:
        ConfigError: If scaling is on and the config has no base batch size,
            or does not state a batch size.
    """
    settings = cfg.get('auto_scale_lr') or ConfigDict()
    enabled = settings.get('enable', False)
    batch_size = _batch_size(cfg.train_dataloader)
    if batch_size is None:
        if enabled:
            raise ConfigError(
                '--auto-scale-lr: train_dataloader has no batch_size'
            )
        return 'Effective batch: as the batch sampler decides'
    processes = world_size(cfg.get('launcher', 'none'))
    accumulated = cfg.optim_wrapper.get('accumulative_counts', 1)
    effective = processes * batch_size * accumulated
    message = (
        f'Effective batch: {processes} processes x {batch_size} samples x '
        f'{accumulated} accumulated = {effective}'
    )
    optimizer = cfg.optim_wrapper.get('optimizer', {})
    if enabled:
        base = settings.get('base_batch_size')
        if not base:
            raise ConfigError(
                '--auto-scale-lr: the config does not say for which batch its '
                'learning rate is meant. Set auto_scale_lr.base_batch_size.'
            )
        optimizer.lr *= effective / base
        message += f', learning rate scaled by {effective}/{base}'
        cfg.auto_scale_lr.enable = False
    return f'{message}; learning rate {optimizer.get("lr")}'


def _batch_size(loader: dict[str, Any]) -> int | None:
    """Return the samples per process and iteration, if the config says so."""
    batch_size = loader.get('batch_size')
    sampler = loader.get('batch_sampler') or {}
    return batch_size or sampler.get('batch_size')
