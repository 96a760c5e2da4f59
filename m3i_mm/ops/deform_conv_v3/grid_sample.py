"""DCNv3 as one ``grid_sample``, the plain formulation.

It takes ``P`` times the memory of the output, and autograd keeps several such
tensors, but its graph is small and ONNX knows its operator as GridSample. So
it is what ``torch.compile`` and ``torch.export`` trace. Its gradient samples
again, block by block.

Tensors are split into groups, ``(N, H, W, G, k)``. The arithmetic is done in
float64 for float64 inputs and in float32 for all others.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .geometry import Geometry

__all__ = ['gradients', 'sample_and_sum']

grid_sampler_2d_backward = torch.ops.aten.grid_sampler_2d_backward

# Sampled values per block of the gradient: they bound the memory, and must be
# enough to keep a GPU busy.
_BLOCK_VALUES = 2**25


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
    maps, grid, weights = _prepare(input, offset, mask, geometry)
    sums = (_sample(maps, grid) * weights).sum(2)
    return _from_maps(sums, mask.shape).to(input.dtype)


def gradients(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    grad_output: Tensor,
    geometry: Geometry,
) -> list[Tensor]:
    """Sample again and apply the chain rule.

    Args:
        input (Tensor): Shape (N, H, W, G, Cg).
        offset (Tensor): Shape (N, Ho, Wo, G, P*2).
        mask (Tensor): Shape (N, Ho, Wo, G, P).
        grad_output (Tensor): Shape (N, Ho, Wo, G, Cg).
        geometry (Geometry): The constants of the call.

    Returns:
        list[Tensor]: Gradients of input, offset and mask, in their shapes and
        in the dtype of the arithmetic.
    """
    height, width = input.shape[1:3]
    maps, grid, weights = _prepare(input, offset, mask, geometry)
    # (N*G, Cg, Ho*Wo) -> (N*G, Cg, 1, Ho*Wo)
    grad = _to_maps(grad_output, maps.dtype).unsqueeze(2)
    grad_maps, grad_grid = torch.empty_like(maps), torch.empty_like(grid)
    grad_weights = torch.empty_like(weights)
    values = grad[0].numel() * geometry.taps
    step = max(1, _BLOCK_VALUES // values)
    for start in range(0, len(maps), step):
        block = slice(start, start + step)
        sampled = _sample(maps[block], grid[block])
        grad_weights[block] = sampled.mul_(grad[block]).sum(1, keepdim=True)
        grad_maps[block], grad_grid[block] = grid_sampler_2d_backward(
            torch.mul(grad[block], weights[block], out=sampled),
            maps[block],
            grid[block],
            0,  # bilinear
            0,  # zeros outside
            False,  # align_corners
            (True, True),
        )
    # (N*G, P, Ho*Wo, 2) -> (N*G, P, 2, Ho*Wo), normalised -> pixels
    pixels = grad_grid.new_tensor([[width / 2], [height / 2]])
    grad_offset = grad_grid.transpose(2, 3) * (geometry.offset_scale / pixels)
    grads = grad_maps.flatten(2), grad_offset.flatten(1, 2), grad_weights[:, 0]
    return [
        _from_maps(grad, tensor.shape)
        for grad, tensor in zip(grads, (input, offset, mask), strict=True)
    ]


def _prepare(
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
    maps = _to_maps(input, dtype).unflatten(2, (height, width))
    weights = _to_maps(mask, dtype).unsqueeze(1)
    x, y = (
        _to_maps(axis, dtype) for axis in geometry.locations(offset.to(dtype))
    )
    grid = torch.stack(
        ((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1
    )
    return maps, grid, weights


def _sample(maps: Tensor, grid: Tensor) -> Tensor:
    """Sample (N*G, Cg, H, W) at (N*G, P, L, 2) to (N*G, Cg, P, L)."""
    return F.grid_sample(
        maps, grid, mode='bilinear', padding_mode='zeros', align_corners=False
    )


def _to_maps(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Lay (N, H, W, G, k) out as (N*G, k, H*W)."""
    tensor = tensor.to(dtype).permute(0, 3, 4, 1, 2)
    return tensor.flatten(3).flatten(0, 1).contiguous()


def _from_maps(maps: Tensor, shape: torch.Size) -> Tensor:
    """Lay (N*G, k, H*W) out as (N, H, W, G, k), where ``shape`` says N..G."""
    batch, height, width, groups = shape[:4]
    maps = maps.view(batch, groups, maps.shape[1], height, width)
    return maps.permute(0, 3, 4, 1, 2)
