"""Keep what was accumulated when a checkpoint is between optimizer steps."""

from __future__ import annotations

import logging
from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.logging import print_log
from torch import Tensor

from m3i_mm.registry import HOOKS
from m3i_mm.utils.wrappers import unwrap

from ..optimizer_steps import accumulated_iterations

__all__ = ['AccumulatedGradientsHook']

KEY = 'accumulated_gradients'


@HOOKS.register_module()
class AccumulatedGradientsHook(Hook):
    """Stores accumulated gradients in checkpoints, and puts them back.

    With ``accumulative_counts`` an epoch can end between two optimizer steps;
    a resumed run would start its next step without the first part. Several
    processes go on with the mean of their parts, which leaves the step the
    same: DDP averages the sums at the end.

    Shards (FSDP) and DeepSpeed keep gradients of their own; there a resumed
    run loses the part, which is said at its start.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Tensor] | None = None
        self._gathered = False

    def after_load_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the gradients until the first iteration."""
        if runner._resume:
            self._loaded = checkpoint.pop(KEY, {})

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Put the gradients back into the first iteration of a resumed run."""
        self._gathered = False
        if self._loaded is None:
            return
        parameters = dict(unwrap(runner.model).named_parameters())
        for name, gradient in self._loaded.items():
            parameters[name].grad = gradient.to(parameters[name])
        between = runner.iter % accumulated_iterations(runner)
        if between and self._loaded:
            # MMEngine warns that they were lost
            print_log(
                f'The gradients of {between} iterations since the last '
                'optimizer step were restored',
                logger='current',
            )
        elif between:
            print_log(
                f'The checkpoint lies {between} iterations after the last '
                'optimizer step and has no gradients: the next step lacks '
                'their part. An interval of checkpoints that is a multiple '
                'of optim_wrapper.accumulative_counts avoids that',
                logger='current',
                level=logging.WARNING,
            )
        self._loaded = None

    def gather_state(self, runner: Any) -> None:
        """Average the parts of all processes, in place."""
        self._gathered = True
        if dist.get_world_size() == 1 or not _keeps_whole(runner):
            return
        parameters = list(unwrap(runner.model).parameters())
        has_part = torch.tensor(
            [p.grad is not None for p in parameters], dtype=torch.float32
        ).to(parameters[0].device)
        dist.all_reduce(has_part, 'max')
        for parameter, some in zip(parameters, has_part.tolist(), strict=True):
            if some:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                dist.all_reduce(parameter.grad, 'mean')

    def before_save_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Add the gradients; MMEngine calls this on the first rank only."""
        whole = self._gathered or dist.get_world_size() == 1
        if not whole or not _keeps_whole(runner):
            return
        gradients = {
            name: parameter.grad.cpu()
            for name, parameter in unwrap(runner.model).named_parameters()
            if parameter.grad is not None
        }
        if gradients:
            checkpoint[KEY] = gradients


def _keeps_whole(runner: Any) -> bool:
    return not hasattr(runner, 'strategy')
