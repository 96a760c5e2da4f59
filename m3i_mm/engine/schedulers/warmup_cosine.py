"""The learning-rate schedule of Swin, ConvNeXt, InternImage and many others.

Those codes use timm's cosine schedule, whose cosine starts at step 0 and is
merely hidden by the warm-up. Chaining MMEngine's ``LinearLR`` and
``CosineAnnealingLR`` starts the cosine after the warm-up, which is another
curve (by 1 % right after 20 of 300 epochs).
"""

from __future__ import annotations

import math
from typing import Any

from mmengine.optim import OptimWrapper, _ParamScheduler
from torch.optim import Optimizer

from m3i_mm.registry import PARAM_SCHEDULERS

__all__ = ['WarmupCosineLR']


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(_ParamScheduler):
    """Linear warm-up, then a cosine that began together with it.

    With T steps of which W are warm-up, the factor on each initial learning
    rate at step t is ``s + (1 - s) t / W`` for ``t < W``, and
    ``m + (1 - m) (1 + cos(pi t / T)) / 2`` after it. Both ends are ratios,
    so that they follow the learning rate when that is scaled.

    Args:
        optimizer (Optimizer | OptimWrapper): What to schedule.
        warmup (int): W, in steps of the scheduler.
        warmup_ratio (float): s, the first value over the initial rate.
        min_ratio (float): m, the last value over the initial rate.
        begin (int): Step at which the schedule starts.
        end (int): Step at which it ends; T is ``end - begin``.
        last_step (int): Index of the last step, to resume without state.
        by_epoch (bool): Whether a step is an epoch.
        verbose (bool): Print each value.

    Raises:
        ValueError: If the warm-up is longer than the schedule, or ``end`` is
            not given.
    """

    def __init__(
        self,
        optimizer: Optimizer | OptimWrapper,
        warmup: int,
        warmup_ratio: float = 0.0,
        min_ratio: float = 0.0,
        begin: int = 0,
        end: int | None = None,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if end is None or not 0 <= warmup <= end - begin:
            raise ValueError(
                'WarmupCosineLR needs an end and a warmup before it, got '
                f'begin={begin}, end={end} and warmup={warmup}'
            )
        self.warmup = warmup
        self.warmup_ratio = warmup_ratio
        self.min_ratio = min_ratio
        super().__init__(
            optimizer, 'lr', begin, end, last_step, by_epoch, verbose
        )

    @classmethod
    def build_iter_from_epoch(
        cls,
        *args: Any,
        warmup: int,
        begin: int = 0,
        end: int,
        by_epoch: bool = True,
        epoch_length: int,
        **kwargs: Any,
    ) -> WarmupCosineLR:
        """Build a scheduler of iterations from settings in epochs.

        Args:
            *args (Any): The optimizer.
            warmup (int): Epochs of warm-up.
            begin (int): First epoch.
            end (int): Epoch after the last.
            by_epoch (bool): Of the settings; always True.
            epoch_length (int): Iterations of an epoch.
            **kwargs (Any): Other settings.

        Returns:
            WarmupCosineLR: The scheduler.
        """
        return cls(
            *args,
            warmup=int(warmup * epoch_length),
            begin=int(begin * epoch_length),
            end=int(end * epoch_length),
            by_epoch=False,
            **kwargs,
        )

    def _factor(self) -> float:
        if self.last_step < self.warmup:
            progress = self.last_step / self.warmup
            return self.warmup_ratio + (1 - self.warmup_ratio) * progress
        angle = math.pi * self.last_step / (self.end - self.begin)
        return (
            self.min_ratio + (1 - self.min_ratio) * (1 + math.cos(angle)) / 2
        )

    def _get_value(self) -> list[float]:
        factor = self._factor()
        return [base * factor for base in self.base_values]
