"""Continue an interrupted run as if it had never stopped."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from m3i_mm.registry import HOOKS

if TYPE_CHECKING:
    from m3i_mm.datasets import StreamBatchSampler

__all__ = ['ResumeStateHook']

KEY = 'resume_state'


@HOOKS.register_module()
class ResumeStateHook(Hook):
    """Stores the position in the data and the random state in checkpoints.

    The position is that of a
    :class:`~m3i_mm.datasets.StreamBatchSampler`, within an epoch too; it is a
    few numbers, so nothing is read again to get there. Other samplers start
    the interrupted epoch anew, as MMEngine does. The random state is that of
    Python, NumPy, PyTorch and the GPU of every rank. Validation is kept from
    changing it.

    The hook also gives the sampler its number of streams, the workers of the
    loader.
    """

    # after DistSamplerSeedHook, long before CheckpointHook
    priority = 'BELOW_NORMAL'

    def __init__(self) -> None:
        self._epoch = 0
        self._consumed = 0
        self._loaded: dict[str, Any] | None = None
        self._restore_random: dict[str, Any] | None = None
        self._before_val: dict[str, Any] | None = None
        # the states of all ranks, and the iteration they belong to
        self._gathered: tuple[int, list[dict[str, Any]]] | None = None

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the state until the training loop is there."""
        if runner._resume:
            self._loaded = checkpoint.get(KEY)
            if self._loaded is None:
                print_log(
                    'The checkpoint has no position in the data and no '
                    'random state: the run continues, but not exactly',
                    logger='current',
                    level=logging.WARNING,
                )

    def before_train(self, runner: Runner) -> None:
        """Put the sampler and, later, the random generators in place."""
        loader = runner.train_dataloader
        # an iterator draws a seed; it should not come from the model's state
        loader.generator = torch.Generator().manual_seed(0)
        sampler = _stream_sampler(loader)
        if sampler is not None and sampler.num_streams is None:
            sampler.num_streams = max(1, loader.num_workers)
        if self._loaded is None:
            return
        if sampler is not None and self._loaded['data'] is not None:
            sampler.load_state_dict(self._loaded['data'])
            self._epoch = sampler.resumed_epoch
        states = self._loaded['random']
        if states is None or len(states) != get_world_size():
            print_log(
                f'The checkpoint has the random state of '
                f'{len(states or [])} ranks, the run has {get_world_size()}: '
                'the model draws other random numbers from here on',
                logger='current',
                level=logging.WARNING,
            )
        else:
            self._restore_random = states[get_rank()]

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the epoch of the sampler."""
        sampler = _stream_sampler(runner.train_dataloader)
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            self.start_epoch(runner.epoch, sampler)
        elif sampler is not None:
            # MMEngine 0.10 draws the batches before the position once more
            knows_skip = hasattr(runner.train_loop, 'fast_forward_on_resume')
            runner.train_loop.dataloader_iterator = _EndlessBatches(
                self, runner.train_dataloader, 0 if knows_skip else runner.iter
            )

    def start_epoch(
        self, epoch: int, sampler: StreamBatchSampler | None
    ) -> None:
        """Begin to count the batches of an epoch."""
        self._epoch = epoch
        self._consumed = 0
        if sampler is not None:
            sampler.sampler.set_epoch(epoch)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Restore the random state, once everything else has drawn."""
        if self._restore_random is not None:
            _set_random_state(self._restore_random)
            self._restore_random = None

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Count the batch; gather the state if a checkpoint follows."""
        self._consumed += 1
        if any(
            not hook.by_epoch
            and (
                self.every_n_train_iters(
                    runner, hook.interval, hook.save_begin
                )
                or (hook.save_last and self.is_last_train_iter(runner))
            )
            for hook in _checkpoint_hooks(runner)
        ):
            self._gather(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Gather the state if a checkpoint follows."""
        if any(
            hook.by_epoch
            and (
                self.every_n_epochs(runner, hook.interval, hook.save_begin)
                or (hook.save_last and self.is_last_train_epoch(runner))
            )
            for hook in _checkpoint_hooks(runner)
        ):
            self._gather(runner)

    def before_val(self, runner: Runner) -> None:
        """Remember the random state of training."""
        self._before_val = _get_random_state()

    def after_val(self, runner: Runner) -> None:
        """Restore the random state of training."""
        if self._before_val is not None:
            _set_random_state(self._before_val)
            self._before_val = None

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Add the state; MMEngine calls this on the first rank only."""
        sampler = _stream_sampler(runner.train_dataloader)
        data = None
        if sampler is not None:
            data = sampler.state_dict(self._epoch, self._consumed)
        states = None
        if get_world_size() == 1:
            states = [self._before_val or _get_random_state()]
        elif self._gathered and self._gathered[0] == runner.iter:
            states = self._gathered[1]
        checkpoint[KEY] = dict(data=data, random=states)

    def _gather(self, runner: Runner) -> None:
        if get_world_size() > 1:
            states = all_gather_object(_get_random_state())
            self._gathered = runner.iter, states


class _EndlessBatches:
    """The iterator of an iteration-based loop over all epochs.

    Args:
        hook (ResumeStateHook): Is told when an epoch begins.
        dataloader (DataLoader): Loads the batches.
        replay (int): The number of first calls that are to do nothing.
    """

    def __init__(
        self, hook: ResumeStateHook, dataloader: DataLoader, replay: int
    ) -> None:
        self.hook = hook
        self.dataloader = dataloader
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
        self.hook.start_epoch(epoch, _stream_sampler(self.dataloader))
        return iter(self.dataloader)

    def skip_iter(self, num_iters: int) -> None:
        """Do nothing: the sampler stands where the run does."""


def _stream_sampler(loader: DataLoader) -> StreamBatchSampler | None:
    # not an instance check, for which the readers would have to be imported
    sampler: Any = loader.batch_sampler
    return sampler if hasattr(sampler, 'load_state_dict') else None


def _checkpoint_hooks(runner: Runner) -> list[CheckpointHook]:
    return [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]


def _get_random_state() -> dict[str, Any]:
    state: Any = np.random.get_state()
    name, keys, *rest = state
    cuda = torch.cuda.is_available()
    return dict(
        python=random.getstate(),
        # a tensor can be loaded without trusting the file
        numpy=(name, torch.from_numpy(keys.astype(np.int64)), *rest),
        torch=torch.get_rng_state(),
        cuda=torch.cuda.get_rng_state() if cuda else None,
    )


def _set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state['python'])
    name, keys, *rest = state['numpy']
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())
