"""Continue an interrupted run as if it had never stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from m3i_mm.registry import HOOKS

from ..randomness import seed_iteration

if TYPE_CHECKING:
    from m3i_mm.datasets import StreamBatchSampler

__all__ = ['ResumeStateHook']

KEY = 'resume_state'


@HOOKS.register_module()
class ResumeStateHook(Hook):
    """Stores the position in the data and the seed in checkpoints.

    The position is that of a
    :class:`~m3i_mm.datasets.StreamBatchSampler`, within an epoch too; it is a
    few numbers, so nothing is read again to get there. Other samplers start
    the interrupted epoch anew, as MMEngine does. What the model draws depends
    on the seed, the iteration and the rank only
    (:func:`~m3i_mm.engine.randomness.seed_iteration`), so any hook may save a
    checkpoint at any moment.

    The hook also gives the sampler its number of streams, the workers of the
    loader.
    """

    # after DistSamplerSeedHook, long before CheckpointHook
    priority = 'BELOW_NORMAL'

    def __init__(self) -> None:
        self._epoch = 0
        # the iterations before the first one of the epoch in this process
        self._first = 0
        self._seed = 0
        self._loaded: dict[str, Any] | None = None

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the state until the training loop is there."""
        if runner._resume:
            self._loaded = checkpoint.get(KEY)
            if self._loaded is None or 'seed' not in self._loaded:
                print_log(
                    'The checkpoint has no position in the data or no seed: '
                    'the run continues, but not exactly',
                    logger='current',
                    level=logging.WARNING,
                )

    def before_train(self, runner: Runner) -> None:
        """Put the sampler in place."""
        loaded = self._loaded or {}
        self._seed = loaded.get('seed', runner.seed)
        loader = runner.train_dataloader
        # an iterator draws a seed; it should not come from the model's state
        loader.generator = torch.Generator().manual_seed(0)
        sampler = _stream_sampler(loader)
        if sampler is None:
            return
        if sampler.num_streams is None:
            sampler.num_streams = max(1, loader.num_workers)
        if loaded.get('data') is not None:
            sampler.load_state_dict(loaded['data'])
            self._epoch = sampler.resumed_epoch

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the epoch of the sampler."""
        sampler = _stream_sampler(runner.train_dataloader)
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            self.start_epoch(runner.epoch, runner.iter, sampler)
        elif sampler is not None:
            # MMEngine 0.10 draws the batches before the position once more
            knows_skip = hasattr(runner.train_loop, 'fast_forward_on_resume')
            runner.train_loop.dataloader_iterator = _EndlessBatches(
                self, runner, 0 if knows_skip else runner.iter
            )

    def start_epoch(
        self, epoch: int, iteration: int, sampler: StreamBatchSampler | None
    ) -> None:
        """Begin to count the batches of an epoch."""
        self._epoch = epoch
        self._first = iteration
        if sampler is not None:
            sampler.sampler.set_epoch(epoch)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Seed what the iteration draws."""
        seed_iteration(self._seed, runner.iter, get_rank())

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Add the state; MMEngine calls this on the first rank only."""
        sampler = _stream_sampler(runner.train_dataloader)
        data = None
        if sampler is not None:
            consumed = checkpoint['meta']['iter'] - self._first
            data = sampler.state_dict(self._epoch, consumed)
        checkpoint[KEY] = dict(data=data, seed=self._seed)


class _EndlessBatches:
    """The iterator of an iteration-based loop over all epochs.

    Args:
        hook (ResumeStateHook): Is told when an epoch begins.
        runner (Runner): Its loader gives the batches.
        replay (int): The number of first calls that are to do nothing.
    """

    def __init__(
        self, hook: ResumeStateHook, runner: Runner, replay: int
    ) -> None:
        self.hook = hook
        self.runner = runner
        self.replay = replay
        self.iterator: Iterator | None = None

    def __iter__(self) -> _EndlessBatches:
        return self

    def __next__(self) -> Any:
        if self.replay > 0:
            self.replay -= 1
            return None
        if self.iterator is None:
            self.iterator = self._start(self.hook._epoch)
        batch = next(self.iterator, None)
        if batch is None:
            self.iterator = self._start(self.hook._epoch + 1)
            batch = next(self.iterator)
        return batch

    def _start(self, epoch: int) -> Iterator:
        loader = self.runner.train_dataloader
        self.hook.start_epoch(epoch, self.runner.iter, _stream_sampler(loader))
        return iter(loader)

    def skip_iter(self, num_iters: int) -> None:
        """Do nothing: the sampler stands where the run does."""


def _stream_sampler(loader: DataLoader) -> StreamBatchSampler | None:
    # not an instance check, for which the readers would have to be imported
    sampler: Any = loader.batch_sampler
    return sampler if hasattr(sampler, 'load_state_dict') else None
