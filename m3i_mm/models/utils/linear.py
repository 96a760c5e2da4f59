"""Linear layers of one input as one matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['is_plain_linear', 'linear_together']

# Rows of half precision that begin at multiples of 16 bytes need this.
_ALIGNMENT = 8


def is_plain_linear(layer: nn.Module) -> bool:
    """Whether a layer is its weight and bias and nothing else.

    Adapters, quantised layers and those that something hooks into are more.

    Args:
        layer (nn.Module): Any module.

    Returns:
        bool: Whether :func:`linear_together` may take its place.
    """
    hooks = (
        layer._forward_hooks,
        layer._forward_pre_hooks,
        layer._backward_hooks,
        layer._backward_pre_hooks,
    )
    return type(layer) is nn.Linear and not any(hooks)


def linear_together(
    x: Tensor, parameters: Sequence[tuple[Tensor, Tensor]]
) -> Tensor:
    """Apply linear layers to the same input.

    The input is read once, and its gradient written once. The columns are
    padded to a multiple of 8.

    Args:
        x (Tensor): (..., C).
        parameters (Sequence): Weight (C_i, C) and bias (C_i,) of each layer.

    Returns:
        Tensor: (..., D), the columns of all layers in their order. ``D`` is
        the next multiple of 8, and what follows the last layer is zero.
    """
    weights, biases = (
        list(column) for column in zip(*parameters, strict=True)
    )
    if padding := -sum(map(len, biases)) % _ALIGNMENT:
        weights.append(weights[0].new_zeros(padding, weights[0].shape[1]))
        biases.append(biases[0].new_zeros(padding))
    # one dtype, where autocast has cast some of them
    dtype = weights[0].dtype
    return F.linear(
        x,
        torch.cat([weight.to(dtype) for weight in weights]),
        torch.cat([bias.to(dtype) for bias in biases]),
    )
