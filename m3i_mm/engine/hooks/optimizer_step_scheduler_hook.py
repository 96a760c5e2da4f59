"""Schedules that advance with the optimizer."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import ParamSchedulerHook

from ...registry import HOOKS
from ..optimizer_steps import accumulated_iterations, is_optimizer_step

__all__ = ['OptimizerStepSchedulerHook']


@HOOKS.register_module()
class OptimizerStepSchedulerHook(ParamSchedulerHook):
    """Keep schedules constant while gradients are accumulated.

    MMEngine advances a schedule after every iteration, so with accumulation
    an optimizer step takes the learning rate of the last iteration of its
    group. Here it takes that of the first, which is the rate that the large
    batch would use: step k of n is k/n of the way through the schedule.
    Without accumulation this is MMEngine's hook.
    """

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Make up for the iterations of the step that just ended.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Not used.
            data_batch (Any): Not used.
            outputs (Any): Not used.
        """
        if not is_optimizer_step(runner):
            return
        group = accumulated_iterations(runner)
        for _ in range((runner.iter + 1) % group or group):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
