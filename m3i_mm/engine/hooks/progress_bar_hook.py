"""A progress bar for training on a terminal."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from tqdm.auto import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ...registry import HOOKS

__all__ = ['ProgressBarHook']


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Show iterations, remaining time, loss, speed and time lost to loading.

    On a terminal a bar like this stays below the log lines::

        epoch 3/20  38%|███▊      | 57/150 [00:41<01:07] loss 2.71,
        412 img/s, data 3%

    Elsewhere, as in a file or on a cluster, nothing is drawn: the log lines
    of MMEngine's ``LoggerHook`` tell the same.

    Args:
        smoothing (float): Weight of the newest iteration in the running means
            of speed and loading time, in (0, 1]. Defaults to 0.1.
    """

    # After the timer and the logger
    priority = 'LOW'

    def __init__(self, smoothing: float = 0.1) -> None:
        self.smoothing = smoothing
        self._bar: Any = None
        self._open = ExitStack()
        self._means: dict[str, float] = {}
        self._end_of_iteration = 0.0

    def before_train(self, runner: Any) -> None:
        """Open the bar at the iteration that the training starts from.

        Args:
            runner (Runner): The runner of the training.
        """
        if not (is_main_process() and sys.stderr.isatty()):
            return
        self._open.enter_context(logging_redirect_tqdm([runner.logger]))
        self._bar = self._open.enter_context(
            tqdm(
                total=runner.max_iters,
                initial=runner.iter,
                unit='it',
                dynamic_ncols=True,
                smoothing=self.smoothing,
            )
        )
        self._end_of_iteration = time.perf_counter()

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Take the time that the batch was waited for.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Not used.
            data_batch (Any): Not used.
        """
        if self._bar is not None:
            waited = time.perf_counter() - self._end_of_iteration
            self._average('waited', waited)

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Advance the bar.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Not used.
            data_batch (dict): The batch; its ``data_samples`` are counted.
            outputs (dict): The logged values, with ``loss``.
        """
        if self._bar is None:
            return
        now = time.perf_counter()
        self._average('time', now - self._end_of_iteration)
        self._end_of_iteration = now
        seconds = max(self._means['time'], 1e-9)
        shown = dict(data=f'{self._means["waited"] / seconds:.0%}')
        if isinstance(data_batch, dict) and 'data_samples' in data_batch:
            images = len(data_batch['data_samples']) * runner.world_size
            shown = {'img/s': f'{images / seconds:.0f}', **shown}
        if isinstance(outputs, dict) and 'loss' in outputs:
            shown = {'loss': f'{float(outputs["loss"]):.4g}', **shown}
        if runner.max_epochs > 1:
            epoch = f'epoch {runner.epoch + 1}/{runner.max_epochs}'
            self._bar.set_description(epoch, refresh=False)
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def after_train(self, runner: Any) -> None:
        """Close the bar.

        Args:
            runner (Runner): The runner of the training.
        """
        self._open.close()
        self._bar = None

    def _average(self, name: str, value: float) -> None:
        mean = self._means.get(name, value)
        self._means[name] = mean + self.smoothing * (value - mean)
