"""Gradients of DCNv3 by operators that are deterministic on a GPU as well.

The gradient of ``grid_sample`` adds atomically on a GPU and refuses to run
under ``torch.use_deterministic_algorithms(True)``. Here the four pixels
around each point are gathered by index, and their gradients are added by
``index_add_``, which is deterministic in that mode, though slow.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .geometry import Geometry

__all__ = ['deterministic_gradients']


class _Neighbours(NamedTuple):
    """The pixels below and above locations along one axis."""

    indices: tuple[Tensor, Tensor]
    exist: tuple[Tensor, Tensor]
    fraction: Tensor  # NaN where the location is not finite

    @property
    def weights(self) -> tuple[Tensor, Tensor]:
        return (
            torch.where(self.exist[0], 1 - self.fraction, 0),
            torch.where(self.exist[1], self.fraction, 0),
        )


def _neighbours(location: Tensor, size: int) -> _Neighbours:
    low = location.floor()
    index = low.nan_to_num().clamp(-2, size).long()
    last = size - 1
    return _Neighbours(
        (index.clamp(0, last), (index + 1).clamp(0, last)),
        (
            (location >= 0) & (location < size),
            (location > -1) & (location < last),
        ),
        location - low,
    )


def deterministic_gradients(
    grad_output: Tensor,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    geometry: Geometry,
) -> tuple[Tensor, Tensor, Tensor]:
    """Apply the chain rule, image by image to bound the memory.

    Args:
        grad_output (Tensor): Shape (N, Ho, Wo, G, Cg).
        input (Tensor): Shape (N, H, W, G, Cg).
        offset (Tensor): Shape (N, Ho, Wo, G, P*2).
        mask (Tensor): Shape (N, Ho, Wo, G, P).
        geometry (Geometry): The constants of the call.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Gradients of input, offset and mask,
        in their shapes and in float32 or wider.
    """
    dtype = torch.promote_types(input.dtype, torch.float32)
    grads: list[list[Tensor]] = [[], [], []]
    for image in range(len(input)):
        parts = (
            tensor[image : image + 1].to(dtype)
            for tensor in (grad_output, input, offset, mask)
        )
        for grad, part in zip(grads, _of_image(geometry, *parts), strict=True):
            grad.append(part)
    grad_input, grad_offset, grad_mask = map(torch.cat, grads)
    return grad_input, grad_offset, grad_mask


def _of_image(
    geometry: Geometry,
    grad_output: Tensor,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    _, height, width, groups, channels = input.shape
    table = input.reshape(-1, channels)
    grad_table = torch.zeros_like(table)
    x, y = geometry.locations(offset)  # (1, Ho, Wo, G, P)
    columns, rows = _neighbours(x, width), _neighbours(y, height)
    group = torch.arange(groups, device=input.device).unsqueeze(-1)
    grad = grad_output.unsqueeze(-2)  # (1, Ho, Wo, G, 1, Cg)
    products: list[list[Tensor]] = []
    for row in range(2):
        products.append([])
        for column in range(2):
            pixel = rows.indices[row] * width + columns.indices[column]
            index = (pixel * groups + group).flatten()
            exists = rows.exist[row] & columns.exist[column]
            value = table[index].view(*mask.shape, channels)
            product = (value * grad).sum(-1)
            products[row].append(torch.where(exists, product, 0))
            weight = mask * rows.weights[row] * columns.weights[column]
            added = (weight.unsqueeze(-1) * grad).view(-1, channels)
            grad_table.index_add_(0, index, added)
    (above_left, above_right), (below_left, below_right) = products
    slope_above = above_right - above_left
    slope_below = below_right - below_left
    above = above_left + columns.fraction * slope_above
    slope_y = below_left + columns.fraction * slope_below - above
    slope_x = slope_above + rows.fraction * (slope_below - slope_above)
    grad_offset = torch.stack((slope_x, slope_y), dim=-1)
    grad_offset *= geometry.offset_scale * mask.unsqueeze(-1)
    return (
        grad_table.view(input.shape),
        grad_offset.flatten(-2),
        above + rows.fraction * slope_y,
    )
