"""Stop the training at a loss that is not finite, keeping the state before."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from mmengine.hooks import Hook
from torch import Tensor

from m3i_mm.utils.wrappers import unwrap

from ...registry import HOOKS
from ..nonfinite import NonFiniteLossError, first_nonfinite_anywhere
from ..saving import save_checkpoint

__all__ = ['NonFiniteLossHook']


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stop before an infinite or undefined loss reaches the weights.

    Every model of OpenMMLab sums its losses in ``parse_losses``, between the
    forward and the backward pass. The hook checks them there. If one is not
    finite it saves ``before_nan_iter_N.pth`` to the work folder and raises.
    The checkpoint holds the weights, buffers and optimizer as they were after
    ``N`` iterations, so the step can be repeated: buffers, as running means,
    are put back because the forward pass has changed them. Every process
    waits until it is written; a launcher ends all when the first one raises.
    """

    # ahead of hooks that read the counter of a checkpoint
    priority = 'HIGH'

    def __init__(self) -> None:
        self._stopped = False
        self._buffers: dict[str, Tensor] = {}

    def before_train(self, runner: Any) -> None:
        """Put the check into the model's ``parse_losses``.

        Args:
            runner (Runner): The runner of the training.
        """
        model = unwrap(runner.model)
        model.parse_losses = partial(
            self._checked_losses, runner, model.parse_losses
        )

    def after_train(self, runner: Any) -> None:
        """Remove the check.

        Args:
            runner (Runner): The runner of the training.
        """
        del unwrap(runner.model).parse_losses

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Remember what the forward pass will change.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Not used.
            data_batch (Any): Not used.
        """
        self._buffers = {
            name: buffer.clone()
            for name, buffer in unwrap(runner.model).named_buffers()
        }

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Count the failed iteration as not done.

        Args:
            runner (Runner): The runner of the training.
            checkpoint (dict): The checkpoint, changed in place.
        """
        if self._stopped:
            checkpoint['meta'].update(epoch=runner.epoch, iter=runner.iter)

    def _checked_losses(
        self, runner: Any, parse_losses: Any, losses: dict[str, Any]
    ) -> Any:
        total, log_vars = parse_losses(losses)
        found = first_nonfinite_anywhere(total, losses)
        if found is not None:
            self._stop(runner, *found)
        return total, log_vars

    def _stop(self, runner: Any, name: str, value: float) -> None:
        self._stopped = True
        model = unwrap(runner.model)
        broken = next(
            (key for key, p in model.named_parameters() if not _finite(p)),
            None,
        )
        buffers = dict(model.named_buffers())
        with torch.no_grad():
            for key, before in self._buffers.items():
                buffers[key].copy_(before)
        path = save_checkpoint(runner, f'before_nan_iter_{runner.iter}.pth')
        if broken is None:
            advice = (
                f'The state before it is in {path}: continue from there with '
                f'--resume {path}, with a lower learning rate or clip_grad.'
            )
        else:
            advice = (
                f'The parameter {broken!r} was not finite before this '
                f'iteration either (see {path}), so an earlier update '
                'overflowed: continue from an older checkpoint, with '
                'clip_grad or --amp with bfloat16.'
            )
        raise NonFiniteLossError(name, value, runner.iter + 1, advice)


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.detach().isfinite().all())
