"""DCNv3 as one ``grid_sample``, the plain formulation.

It takes ``P`` times the memory of the output, and autograd keeps several such
tensors, but its graph is small and ONNX knows its operator as GridSample. So
it is what ``torch.compile`` and ``torch.export`` trace.

Tensors are split into groups, ``(N, H, W, G, k)``. The arithmetic is done in
float64 for float64 inputs and in float32 for all others.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .geometry import Geometry

__all__ = ['from_maps', 'prepare', 'sample', 'sample_and_sum', 'to_maps']


def sample_and_sum(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Sample all taps, weight them with the mask and sum them.

    Args:
        input (Tensor): Shape (N, H, W, G, Cg).
        offset (Tensor): Shape (N, Ho, Wo, G, P*2).
        mask (Tensor): Shape (N, Ho, Wo, G, P).
        geometry (Geometry): The constants of the call.

    Returns:
        Tensor: Shape (N, Ho, Wo, G, Cg), in the dtype of input.
    """
    maps, grid, weights = prepare(input, offset, mask, geometry)
    sums = (sample(maps, grid) * weights).sum(2)
    return from_maps(sums, mask.shape).to(input.dtype)


def prepare(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> tuple[Tensor, Tensor, Tensor]:
    """Lay tensors out for ``grid_sample``.

    Args:
        input (Tensor): Shape (N, H, W, G, Cg).
        offset (Tensor): Shape (N, Ho, Wo, G, P*2).
        mask (Tensor): Shape (N, Ho, Wo, G, P).
        geometry (Geometry): The constants of the call.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Feature maps (N*G, Cg, H, W), sampling
        points in [-1, 1] (N*G, P, Ho*Wo, 2), x before y, and weights
        (N*G, 1, P, Ho*Wo).
    """
    height, width = input.shape[1:3]
    dtype = torch.promote_types(input.dtype, torch.float32)
    maps = to_maps(input, dtype).unflatten(2, (height, width))
    weights = to_maps(mask, dtype).unsqueeze(1)
    x, y = (
        to_maps(axis, dtype) for axis in geometry.locations(offset.to(dtype))
    )
    grid = torch.stack(
        ((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1
    )
    return maps, grid, weights


def sample(maps: Tensor, grid: Tensor) -> Tensor:
    """Sample (N*G, Cg, H, W) at (N*G, P, L, 2) to (N*G, Cg, P, L)."""
    return F.grid_sample(
        maps, grid, mode='bilinear', padding_mode='zeros', align_corners=False
    )


def to_maps(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Lay (N, H, W, G, k) out as (N*G, k, H*W)."""
    tensor = tensor.to(dtype).permute(0, 3, 4, 1, 2)
    return tensor.flatten(3).flatten(0, 1).contiguous()


def from_maps(maps: Tensor, shape: torch.Size) -> Tensor:
    """Lay (N*G, k, H*W) out as (N, H, W, G, k), where ``shape`` says N..G."""
    batch, height, width, groups = shape[:4]
    maps = maps.view(batch, groups, maps.shape[1], height, width)
    return maps.permute(0, 3, 4, 1, 2)
