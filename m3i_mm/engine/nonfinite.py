"""Find the first loss that is not finite, on any process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine import dist
from torch import Tensor

__all__ = ['NonFiniteLossError', 'first_nonfinite', 'first_nonfinite_anywhere']


class NonFiniteLossError(ArithmeticError):
    """A training loss became infinite or not a number.

    Args:
        name (str): The first loss that is not finite.
        value (float): Its value.
        iteration (int): The iteration, counted from 1.
        advice (str): What was saved, and what to do.
    """

    def __init__(
        self, name: str, value: float, iteration: int, advice: str
    ) -> None:
        super().__init__(
            f'iteration {iteration}: the loss {name!r} is {value}. {advice}'
        )
        self.name = name
        self.value = value
        self.iteration = iteration


def first_nonfinite(
    losses: Mapping[str, Tensor | Sequence[Tensor]],
) -> tuple[str, float] | None:
    """Return the first loss that is not finite.

    Args:
        losses (Mapping): What a model's ``loss`` returns: scalars, or lists
            of them. Entries without ``loss`` in their name are only logged
            and not checked.

    Returns:
        tuple[str, float] | None: Its name and value.
    """
    for name, value in losses.items():
        if 'loss' not in name:
            continue
        parts = [value] if isinstance(value, Tensor) else value
        total = sum(float(part.detach().mean()) for part in parts)
        if not torch.isfinite(torch.tensor(total)):
            return name, total
    return None


def first_nonfinite_anywhere(
    total: Tensor, losses: Mapping[str, Tensor | Sequence[Tensor]]
) -> tuple[str, float] | None:
    """Return the first loss that is not finite on any of the processes.

    All processes get the same answer, so that all of them stop and none waits
    for another in the backward pass. A finite total costs one comparison and
    one scalar reduction.

    Args:
        total (Tensor): The sum of the losses, a scalar.
        losses (Mapping): The losses it was summed from.

    Returns:
        tuple[str, float] | None: Its name and value, those of the lowest rank
        that has one.
    """
    finite = total.detach().isfinite().all().float()
    dist.all_reduce(finite, op='min')
    if finite:
        return None
    mine = first_nonfinite(losses)
    if mine is None and not total.isfinite().all():
        mine = ('loss', float(total))
    everyone = dist.all_gather_object(mine)
    return next(found for found in everyone if found is not None)
