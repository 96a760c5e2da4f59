"""Log to TensorBoard, Weights & Biases and MLflow beside the local log."""

from __future__ import annotations

import os
import os.path as osp
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from mmengine.config import Config

from .config_check import ConfigError

__all__ = ['TRACKERS', 'add_trackers']

# name -> the package that it needs
TRACKERS = dict(tensorboard='tensorboard', wandb='wandb', mlflow='mlflow')


def add_trackers(cfg: Config, names: Sequence[str]) -> None:
    """Add MMEngine's backends to the config's visualizer.

    The local backend stays: reports read its ``scalars.json``. The work
    folder is the run's name. TensorBoard writes into the run's folder, MLflow
    too unless ``MLFLOW_TRACKING_URI`` names a server, Weights & Biases with
    ``WANDB_MODE=offline``.

    Args:
        cfg (Config): The config, changed in place; its ``work_dir`` is set.
        names (Sequence[str]): Of :data:`TRACKERS`.

    Raises:
        ConfigError: If a name is unknown or its package is not installed.
    """
    if not names:
        return
    visualizer = cfg.get('visualizer') or dict(type='Visualizer')
    backends = visualizer.get('vis_backends')
    backends = list(backends or [dict(type='LocalVisBackend')])
    present = {backend['type'].split('.')[-1] for backend in backends}
    for name in names:
        backend = _backend(name, osp.basename(osp.normpath(cfg.work_dir)))
        if backend['type'] not in present:
            backends.append(backend)
    cfg.visualizer = dict(visualizer, vis_backends=backends)


def _backend(name: str, run: str) -> dict[str, Any]:
    if name not in TRACKERS:
        raise ConfigError(
            f'--track: {name!r} is none of {", ".join(TRACKERS)}'
        )
    if find_spec(TRACKERS[name]) is None:
        raise ConfigError(
            f'--track {name}: {TRACKERS[name]} is not installed; '
            "pip install 'm3i_mm[tracking]'"
        )
    if name == 'wandb':
        kwargs = dict(project='m3i_mm', name=run)
        return dict(type='WandbVisBackend', init_kwargs=kwargs)
    if name == 'mlflow':
        # the whole config goes in as a file; single values are cut at 500
        # letters and refused beyond a number
        os.environ.setdefault('MLFLOW_ALLOW_FILE_STORE', 'true')
        return dict(
            type='MLflowVisBackend',
            run_name=run,
            tracked_config_keys=[],
            # MMEngine would put the work folder in its place
            tracking_uri=os.environ.get('MLFLOW_TRACKING_URI'),
        )
    return dict(type='TensorboardVisBackend')
