"""Update the momentum encoder once per optimizer step."""

from __future__ import annotations

import math
from typing import Any

from mmengine.hooks import Hook

from m3i_mm.utils.wrappers import unwrap

from ...registry import HOOKS
from ..optimizer_steps import is_optimizer_step, step_progress

__all__ = ['MomentumUpdateHook', 'cosine_momentum']


def cosine_momentum(progress: float, start: float, end: float = 1.0) -> float:
    r"""Return the momentum of a half-cosine schedule.

    .. math:: m = m_1 - (m_1 - m_0) (\cos(\pi p) + 1) / 2

    Args:
        progress (float): Share of the training that is done, in [0, 1].
        start (float): The momentum :math:`m_0` at the start.
        end (float): The momentum :math:`m_1` at the end. Defaults to 1.
    """
    return end - (end - start) * (math.cos(math.pi * progress) + 1) / 2


@HOOKS.register_module()
class MomentumUpdateHook(Hook):
    """Move the momentum encoder towards the trained one after each step.

    The average advances per optimizer step, not per iteration, so that
    accumulating gradients gives the average of the large batch it emulates.
    The model keeps the average itself; it has ``sync_momentum_encoder()``,
    which copies the weights if nothing was averaged yet, and
    ``update_momentum_encoder(momentum)``.

    Args:
        start (float): Momentum of the first step. Defaults to 0.995, that of
            SiameseIM (Tao et al., 2023); the M3I paper gives none.
        end (float): Momentum at the end of the training. Defaults to 1.0.

    Raises:
        ValueError: If not 0 <= start <= end <= 1.
        TypeError: If the model keeps no momentum encoder.
    """

    # Before hooks that evaluate, log or save the model
    priority = 'ABOVE_NORMAL'

    def __init__(self, start: float = 0.995, end: float = 1.0) -> None:
        if not 0 <= start <= end <= 1:
            raise ValueError(
                f'MomentumUpdateHook: need 0 <= start <= end <= 1, got '
                f'start={start}, end={end}'
            )
        self.start = start
        self.end = end

    def before_train(self, runner: Any) -> None:
        """Start from the trained weights, which may just have been loaded.

        Args:
            runner (Runner): The runner of the training.
        """
        self._model(runner).sync_momentum_encoder()

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Update the average if the iteration updated the weights.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Not used.
            data_batch (Any): Not used.
            outputs (Any): Not used.
        """
        if not is_optimizer_step(runner):
            return
        momentum = cosine_momentum(step_progress(runner), self.start, self.end)
        self._model(runner).update_momentum_encoder(momentum)
        runner.message_hub.update_scalar('train/momentum', momentum)

    def _model(self, runner: Any) -> Any:
        model = unwrap(runner.model)
        if not hasattr(model, 'update_momentum_encoder'):
            raise TypeError(
                f'MomentumUpdateHook: {type(model).__name__} keeps no '
                'momentum encoder (update_momentum_encoder). Remove the hook.'
            )
        return model
