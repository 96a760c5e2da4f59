"""Independent Bernoulli distributions: SigLIP."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from ..targets import Features
from .base import Tempered, by_rows, full, pool

__all__ = ['SigmoidContrast']


@MODELS.register_module()
class SigmoidContrast(Tempered):
    r"""Whether it is the target, asked of each pair alone (Zhai et al., 2023).

    .. math::
        P(1 | \hat z, z) = \sigma(\hat z^T z / \tau + b)

    The loss of an image is minus the logarithm of the probability that its
    own target is its own and that no other is: nothing is normalised over the
    batch.

    Args:
        temperature (float): :math:`\tau`. Defaults to 0.1.
        bias (float): b; negative, for most pairs do not match.
            Defaults to -10.
        learnable (bool): Whether to learn both. Defaults to True.
        min_temperature (float): Bound of a learned temperature.
            Defaults to 0.01.
        normalize (bool): Whether predictions and targets are scaled to unit
            length. Defaults to True.
        negatives (dict, optional): Config of the negatives. Defaults to
            ``dict(type='BatchNegatives')``.
        chunk_size (int, optional): Predictions that are compared at a time,
            for less memory. Defaults to all.
    """

    scores: ClassVar[type] = Features
    gathers: ClassVar[bool] = True

    def __init__(
        self,
        temperature: float = 0.1,
        bias: float = -10.0,
        learnable: bool = True,
        min_temperature: float = 0.01,
        normalize: bool = True,
        negatives: dict[str, Any] | None = None,
        chunk_size: int | None = None,
    ) -> None:
        super().__init__(temperature, learnable, min_temperature, normalize)
        self.chunk_size = chunk_size
        self.negatives = MODELS.build(negatives or dict(type='BatchNegatives'))
        # (1, ), for FSDP cannot shard scalars
        value = torch.tensor([float(bias)])
        if learnable:
            self.bias = nn.Parameter(value)
        else:
            self.register_buffer('bias', value, False)

    def forward(self, predictions: Tensor, target: Features) -> Tensor:
        """Compute the loss of each image.

        Args:
            predictions (Tensor): ``(P, C)``.
            target (Features): The targets, of the same shape.

        Returns:
            Tensor: Negative log-likelihoods, ``(P, )``.
        """
        values, valid = pool(target.values), target.valid
        predictions, values = (
            self._scale(pool(predictions)),
            self._scale(values),
        )
        if valid is None:
            valid = torch.ones_like(values[:, 0], dtype=torch.bool)
        negatives = self.negatives(values, predictions, valid)
        return by_rows(
            partial(self._losses, negatives.keys),
            self.chunk_size,
            predictions,
            values,
            negatives.excluded,
        )

    def _losses(
        self,
        keys: Tensor,
        predictions: Tensor,
        values: Tensor,
        excluded: Tensor,
    ) -> Tensor:
        bias = full(self.bias)
        own = (predictions * values).sum(1) / self.temperature + bias
        others = predictions @ keys.T / self.temperature + bias
        wrong = F.softplus(others).masked_fill(excluded, 0.0)
        return F.softplus(-own) + wrong.sum(1)
