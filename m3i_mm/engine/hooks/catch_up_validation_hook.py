"""Validate what a killed run had saved and not yet validated."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop

from m3i_mm.registry import HOOKS

__all__ = ['CatchUpValidationHook']


@HOOKS.register_module()
class CatchUpValidationHook(Hook):
    """Begins a resumed run with the validation that was due.

    A checkpoint is written before the validation that follows it, so that it
    knows nothing of the metrics. Without them a run that was killed in its
    last validation would end without any, and ``save_best`` would compare
    with those of an earlier epoch.
    """

    # all other hooks are ready
    priority = 'LOWEST'

    def before_train(self, runner: Any) -> None:
        """Validate, if the run stands where it would have."""
        if runner._resume and runner.val_loop and _is_due(runner.train_loop):
            runner.val_loop.run()


def _is_due(loop: Any) -> bool:
    if hasattr(loop, '_decide_current_val_interval'):
        loop._decide_current_val_interval()
    if isinstance(loop, EpochBasedTrainLoop):
        done, last = loop.epoch, loop.max_epochs
        if loop.iter % len(loop.dataloader):
            return False
    else:
        done, last = loop.iter, loop.max_iters
    return done >= max(1, loop.val_begin) and (
        done % loop.val_interval == 0 or done == last
    )
