"""Everything that can go wrong in a training, tried now.

A training is built as it would run, then its loop makes two steps, evaluates
one batch of every set, and writes and reads a checkpoint. Nothing is left
behind.
"""

from __future__ import annotations

import os.path as osp
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from m3i_mm.checkpoints.fitting import fit_weights
from m3i_mm.checkpoints.reading import read_checkpoint
from m3i_mm.registry import LOOPS

from .building import build_runner
from .config_check import ConfigError, StepError
from .explain import USER_ERRORS, explain_step, explained_errors
from .unknown_types import unknown_type

__all__ = ['CheckEpochLoop', 'CheckIterLoop', 'check_training']

STEPS = 2


class _Check:
    """Makes a few steps in the place of a training.

    Attributes:
        lines (list[str]): What was found.
    """

    runner: Any
    lines: list[str]

    def run(self) -> Any:
        """Step, evaluate a batch, and write and read a checkpoint."""
        runner = self.runner
        self.lines = [_describe_data(runner.train_dataloader, 'training')]
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        self.lines.append(self._step())
        if runner._val_loop is not None:
            self.lines += list(self._evaluate())
        self.lines.append(self._save())
        return runner.model

    def _step(self) -> str:
        self.runner.model.train()
        batches = iter(self.runner.train_dataloader)
        seconds = 0.0
        for number in range(STEPS):
            batch = next(batches, None)
            if batch is None:
                break
            begin = time.perf_counter()
            self._one(number, batch)
            seconds = time.perf_counter() - begin
        left = seconds * self.runner.max_iters
        return (
            f'a step: {seconds:.2f} s, {_peak_memory() / 2**30:.1f} GiB; '
            f'{self.runner.max_iters} steps to the end: about '
            f'{_duration(left)} without data and evaluation'
        )

    def _one(self, number: int, batch: Any) -> None:
        raise NotImplementedError

    @torch.no_grad()
    def _evaluate(self) -> Iterator[str]:
        model, loop = self.runner.model, self.runner.val_loop
        loaders = getattr(loop.dataloader, 'loaders', {'': loop.dataloader})
        model.eval()
        for name, loader in loaders.items():
            batch = next(iter(loader))
            samples = model.val_step(batch)
            if hasattr(loop, 'evaluator'):
                loop.evaluator.process(data_samples=samples, data_batch=batch)
            yield _describe_data(loader, f'evaluation {name}'.strip())

    def _save(self) -> str:
        folder = self.runner.work_dir
        self.runner.save_checkpoint(folder, 'check.pth')
        path = osp.join(folder, 'check.pth')
        fit = fit_weights(self.runner.model, read_checkpoint(path))
        if not fit.complete:
            fit.require(path)
        return f'a checkpoint: {osp.getsize(path) / 2**20:.0f} MiB, reads back'


@LOOPS.register_module()
class CheckEpochLoop(_Check, EpochBasedTrainLoop):
    """A few steps in the place of a training of epochs."""

    def _one(self, number: int, batch: Any) -> None:
        self.run_iter(number, batch)


@LOOPS.register_module()
class CheckIterLoop(_Check, IterBasedTrainLoop):
    """A few steps in the place of a training of iterations."""

    def _one(self, number: int, batch: Any) -> None:
        self.run_iter(batch)


def _describe_data(loader: Any, name: str) -> str:
    dataset = loader.dataset
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    known = f', {len(classes)} classes' if classes else ''
    return (
        f'{name}: {len(dataset)} samples{known}, {len(loader)} batches '
        f'({type(dataset).__name__})'
    )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f'{seconds:.0f} s'
    if seconds < 3600:
        return f'{seconds / 60:.0f} min'
    return f'{seconds / 3600:.1f} h'


def _peak_memory() -> int:
    """Return the most bytes in use so far, on the device if there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def _explained_step(runner: Any, cfg: Config) -> Iterator[None]:
    """Name the module in whatever a step raises: shapes that do not fit ...

    Raises:
        StepError: Instead of exceptions that are not explained elsewhere.
    """
    try:
        with explained_errors(cfg):
            yield
    except USER_ERRORS:
        raise
    except Exception as error:
        raise StepError(
            f'{explain_step(error, runner.model)} (m3i train without a check '
            'shows the traceback)'
        ) from error


def check_training(cfg: Config) -> list[str]:
    """Try everything that a training does.

    Args:
        cfg (Config): A complete config, as ``tools/train.py`` would run it;
            changed in place.

    Returns:
        list[str]: What was found: data, model, time, memory.

    Raises:
        ConfigError: What is wrong with the config, or what a step raises.
        CheckpointError: What is wrong with its weights.
        SampleError: What is wrong with a sample.
    """
    train = cfg.train_cfg
    loop = train.get('type')
    if isinstance(loop, str) and LOOPS.get(loop) is None:
        raise ConfigError(unknown_type('train_cfg', loop, LOOPS))
    by_epoch = train.pop('by_epoch', 'Iter' not in train.get('type', ''))
    train.type = f'm3i_mm.Check{"Epoch" if by_epoch else "Iter"}Loop'
    cfg.resume = False
    with (
        tempfile.TemporaryDirectory(prefix='m3i-check-') as folder,
        explained_errors(cfg),
    ):
        cfg.work_dir = folder
        # a run in the same second would share its name, and so the logger
        # and visualizer, which write into the folder that is gone by then
        cfg.experiment_name = osp.basename(folder)
        runner = build_runner(cfg)
        with _explained_step(runner, cfg):
            runner.train()
        runner.visualizer.close()
    model = runner.model
    count = sum(parameter.numel() for parameter in model.parameters())
    return [
        f'{type(model).__name__}: {count / 1e6:.2f} M parameters',
        *runner.train_loop.lines,
    ]
