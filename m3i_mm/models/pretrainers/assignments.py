"""From a teacher's scores of prototypes to probabilities, without collapse.

Without more than a softmax all images would come to be one prototype. Either
what all images have in common is taken away (centring, and a low
temperature against the opposite, all prototypes alike), or the prototypes are
shared out evenly among the images of the batch (Sinkhorn).
"""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModule
from torch import Tensor

from m3i_mm.registry import MODELS

from .distributed import global_sum

__all__ = ['Centering', 'Sinkhorn']


@MODELS.register_module()
class Centering(BaseModule):
    r"""Softmax of scores minus their running mean (DINO, section 3.1).

    :math:`q = softmax((z - c) / \tau)`, where c follows the mean of the
    scores of all devices from batch to batch.

    Args:
        num_prototypes (int): Number K of prototypes.
        temperature (float): :math:`\tau`. Defaults to 0.04.
        momentum (float): Share of the old mean. Defaults to 0.9.
    """

    def __init__(
        self,
        num_prototypes: int,
        temperature: float = 0.04,
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.momentum = momentum
        self.register_buffer('center', torch.zeros(num_prototypes))
        # of the batch so far
        self.register_buffer('total', torch.zeros(num_prototypes), False)
        self.register_buffer('count', torch.zeros(1), False)
        self.center: Tensor
        self.total: Tensor
        self.count: Tensor

    def forward(self, scores: Tensor) -> Tensor:
        """Give probabilities.

        Args:
            scores (Tensor): ``(..., K)``, without gradient.

        Returns:
            Tensor: Probabilities of the same shape.
        """
        if self.training:
            rows = scores.flatten(0, -2)
            self.total += rows.sum(0)
            self.count += len(rows)
        return ((scores - self.center) / self.temperature).softmax(-1)

    @torch.no_grad()
    def finish(self) -> None:
        """Move the mean by the scores since the last call."""
        if not self.training:
            return
        mean = global_sum(self.total) / global_sum(self.count).clamp(min=1)
        self.center.lerp_(mean, 1 - self.momentum)
        self.total.zero_()
        self.count.zero_()


@MODELS.register_module()
class Sinkhorn(BaseModule):
    """Probabilities that use all prototypes alike (SwAV, section 3.1).

    Alternates between giving every prototype the same weight over the scores
    of all devices, and every row the weight one.

    Args:
        temperature (float): Of the scores. Defaults to 0.05.
        iterations (int): Number of alternations. Defaults to 3.
    """

    def __init__(self, temperature: float = 0.05, iterations: int = 3) -> None:
        super().__init__()
        self.temperature = temperature
        self.iterations = iterations

    @torch.no_grad()
    def forward(self, scores: Tensor) -> Tensor:
        """Give probabilities.

        Args:
            scores (Tensor): ``(..., K)``.

        Returns:
            Tensor: Probabilities of the same shape.
        """
        rows = scores.flatten(0, -2) / self.temperature  # (N, K)
        weights = (rows - _global_max(rows)).exp()
        tiny = torch.finfo(weights.dtype).tiny
        for _ in range(self.iterations):
            columns = global_sum(weights.sum(0, keepdim=True))
            weights = weights / columns.clamp(min=tiny)
            weights = weights / weights.sum(1, keepdim=True).clamp(min=tiny)
        return weights.view_as(scores)

    def finish(self) -> None:
        """Do nothing: there are no statistics."""


def _global_max(values: Tensor) -> Tensor:
    largest = values.max()
    if get_world_size() > 1:
        all_reduce(largest, 'max')
    return largest
