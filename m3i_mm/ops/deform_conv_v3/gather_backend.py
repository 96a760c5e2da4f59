"""DCNv3 by gathering rows: for runtimes without a good GridSample.

The four pixels around each sampled location are rows of a table; ONNX knows
their selection as Gather, the plainest operator there is. It takes four times
the memory of :mod:`.grid_sample`, so it is for export alone: ``auto`` never
chooses it. Gradients follow from the operators that it uses.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .geometry import Geometry

__all__ = ['run', 'unavailable_reason']


def unavailable_reason(device: torch.device) -> str | None:
    """Return None: this backend runs everywhere."""
    return None


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 with index_select; see :func:`.dcnv3`."""
    batch, height, width, channels = input.shape
    groups, taps = geometry.groups, geometry.taps
    dtype = torch.promote_types(input.dtype, torch.float32)
    # a row of the table is a group of one pixel: (N*H*W*G, Cg)
    table = input.to(dtype).reshape(-1, channels // groups)
    x, y = geometry.locations(
        offset.unflatten(-1, (groups, taps * 2)).to(dtype)
    )  # (N, Ho, Wo, G, P)
    weights = mask.unflatten(-1, (groups, taps)).to(dtype)
    image, group = (
        torch.arange(count, device=input.device) for count in (batch, groups)
    )
    first = image.view(-1, 1, 1, 1, 1) * (height * width * groups)
    first = first + group.view(-1, 1)  # (N, 1, 1, G, 1)
    columns = _neighbours(x, width)
    output = weights.new_zeros(())
    for row, row_weight in _neighbours(y, height):
        start = first + row * (width * groups)
        for column, column_weight in columns:
            index = start + column * groups
            values = table.index_select(0, index.flatten())
            values = values.view(*index.shape, -1)
            weight = row_weight * column_weight * weights
            output = output + (values * weight.unsqueeze(-1)).sum(-2)
    return output.flatten(-2).to(input.dtype)


def _neighbours(
    location: Tensor, size: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return index and weight of the pixels below and above a location.

    Args:
        location (Tensor): Along one axis, in pixels, of any shape.
        size (int): Number of pixels.

    Returns:
        tuple: Index and weight of both. A pixel that does not exist has
        weight zero and the index of one that does.
    """
    low = location.floor()
    fraction = location - low
    index = low.long()
    # in terms of the location, which unlike the index may be NaN or infinite
    low_weight = torch.where(
        (location >= 0) & (location < size), 1 - fraction, 0
    )
    high_weight = torch.where(
        (location > -1) & (location < size - 1), fraction, 0
    )
    last = size - 1
    return (
        (index.clamp(0, last), low_weight),
        ((index + 1).clamp_(0, last), high_weight),
    )
