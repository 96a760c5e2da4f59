"""What a layer normalisation is made of."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

__all__ = ['Norm']


class Norm(NamedTuple):
    """Parameters of a layer normalisation over the last dimension.

    Args:
        weight (Tensor): Factors (C,).
        bias (Tensor): Summands (C,).
        eps (float): Added to the variance.
    """

    weight: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def of(cls, layer: nn.LayerNorm) -> Norm:
        """Take the parameters of a layer."""
        return cls(layer.weight, layer.bias, layer.eps)
