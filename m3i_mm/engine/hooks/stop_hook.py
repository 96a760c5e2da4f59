"""End a run in order when the machine or its user asks for it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from mmengine import dist
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from torch import distributed

from m3i_mm.checkpoints.latest import STOPPED, point_to
from m3i_mm.registry import HOOKS

from ..saving import save_checkpoint

__all__ = ['StopHook', 'StoppedError']

SIGNALS = tuple(
    getattr(signal, name)
    for name in ('SIGTERM', 'SIGINT', 'SIGUSR1')
    if hasattr(signal, name)
)


class StoppedError(BaseException):
    """A run was asked to end.

    Not an ``Exception``: logging would report it and go on.

    Args:
        number (int): The signal.
        advice (str): What was saved, and how to go on.
    """

    def __init__(self, number: int, advice: str) -> None:
        super().__init__(f'stopped by {signal.Signals(number).name}: {advice}')
        self.number = number


@HOOKS.register_module()
class StopHook(Hook):
    """Ends a training at SIGTERM, SIGINT (Ctrl-C) and SIGUSR1.

    SIGUSR1, which Slurm sends ahead of a time limit (``#SBATCH
    --signal=USR1@120``), ends the iteration, saves
    ``stopped_iter_N.pth``, from which ``--resume`` continues, and raises. The
    other two raise at once, or save as well. If one process is asked, all
    save after the same iteration: they tell each other by an exchange between
    CPUs that a step never waits for.

    Args:
        save (bool): Save at SIGTERM and SIGINT too. Defaults to False.

    Raises:
        StoppedError: Out of ``runner.train()``.
    """

    # after all that an iteration changes and saves
    priority = 'LOWEST'

    def __init__(self, save: bool = False) -> None:
        self.save = save
        self._process = os.getpid()
        self._number = 0
        self._group: Any = None
        # the exchange begun in the last iteration, and its result
        self._pending: tuple[Any, torch.Tensor] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Act on signals in a block; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._process = os.getpid()
        former = {
            number: signal.signal(number, self._receive) for number in SIGNALS
        }
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        # a terminal sends Ctrl-C to the workers of the data loader too
        if os.getpid() != self._process:
            return
        if self._number and number != signal.SIGINT:
            return
        if self._number or not (self.save or number == signal.SIGUSR1):
            raise StoppedError(
                number, 'continue from the last checkpoint with --resume'
            )
        self._number = number
        print_log(
            f'{signal.Signals(number).name}: saving after this iteration',
            logger='current',
        )

    def before_train(self, runner: Any) -> None:
        """Open the exchange between processes."""
        if dist.get_world_size() > 1:
            self._group = distributed.new_group(backend='gloo')

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Save and raise if a process was asked to."""
        number = self._agreed()
        if not number:
            return
        done = runner.iter + 1
        path = save_checkpoint(runner, STOPPED.format(done))
        if is_main_process():
            point_to(runner.work_dir, path)
        dist.barrier()
        raise StoppedError(
            number,
            f'the state after {done} iterations is in {path}; continue with '
            '--resume',
        )

    def after_train(self, runner: Any) -> None:
        """Close the exchange."""
        self._wait()

    def _agreed(self) -> int:
        """Return the signal that all processes know of, or 0."""
        if self._group is None:
            return self._number
        number = self._wait()
        if not number:
            mine = torch.tensor(int(self._number))
            work = distributed.all_reduce(
                mine, distributed.ReduceOp.MAX, self._group, async_op=True
            )
            self._pending = work, mine
        return number

    def _wait(self) -> int:
        if self._pending is None:
            return 0
        work, number = self._pending
        self._pending = None
        work.wait()
        return int(number)
