"""DCNv3 in plain PyTorch: any device, any floating dtype, exportable.

Sampling all taps at once with ``grid_sample`` needs ``P`` times the memory of
the output, and autograd keeps several such tensors. Here the samples and
groups, which do not interact, are worked off block by block, and the backward
pass samples a block again instead of keeping what it sampled. Blocks that fit
into the processor's cache pay for that second sampling.

``torch.compile`` and ``torch.export`` see the whole as one block: a single
``grid_sample``, which ONNX knows as GridSample.

Coordinates are normalised for ``grid_sample``, so at exactly integer sampling
points rounding decides which one-sided derivative with respect to the offset
is taken. The arithmetic is done in float64 for float64 inputs and in float32
for all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .geometry import Geometry

__all__ = ['run', 'unavailable_reason']

# Sampled values per block: 1 MiB of float32 stays in a CPU core's cache,
# whereas other devices need large blocks to be busy.
_BLOCK_VALUES = {'cpu': 2**18}
_BLOCK_VALUES_ELSEWHERE = 2**25


def unavailable_reason(device: torch.device) -> str | None:
    """Return None: this backend runs everywhere."""
    return None


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 with ``grid_sample``.

    Args:
        input (Tensor): Features of shape (N, H, W, G*Cg).
        offset (Tensor): Offsets of shape (N, Ho, Wo, G*P*2).
        mask (Tensor): Modulation of shape (N, Ho, Wo, G*P).
        geometry (Geometry): The constants of the call.

    Returns:
        Tensor: Features of shape (N, Ho, Wo, G*Cg) in the dtype of input.
    """
    # (N, H, W, G*k) -> (N, H, W, G, k): a block is a slice of it
    groups = geometry.groups
    input = input.unflatten(-1, (groups, input.shape[-1] // groups))
    offset = offset.unflatten(-1, (groups, geometry.taps * 2))
    mask = mask.unflatten(-1, (groups, geometry.taps))
    if torch.compiler.is_compiling():
        maps, grid, weights = _prepare(input, offset, mask, geometry)
        sums = (_sample(maps, grid) * weights).sum(2)
        output = _from_maps(sums, mask.shape).to(input.dtype)
    else:
        output = _BlockwiseSampling.apply(input, offset, mask, geometry)
    return output.flatten(-2)


class _BlockwiseSampling(torch.autograd.Function):
    """The operator block by block, sampling again in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        offset: Tensor,
        mask: Tensor,
        geometry: Geometry,
    ) -> Tensor:
        ctx.save_for_backward(input, offset, mask)
        ctx.geometry = geometry
        output = input.new_empty(*mask.shape[:-1], input.shape[-1])
        for block in _blocks(output, geometry.taps):
            maps, grid, weights = _prepare(
                input[block], offset[block], mask[block], geometry
            )
            sums = _sample(maps, grid).mul_(weights).sum(2)
            output[block] = _from_maps(sums, mask[block].shape)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, offset, mask = ctx.saved_tensors
        grads = [torch.empty_like(tensor) for tensor in (input, offset, mask)]
        for block in _blocks(grad_output, ctx.geometry.taps):
            part = input[block], offset[block], mask[block]
            part_grads = _block_gradients(
                grad_output[block], *part, ctx.geometry
            )
            for grad, tensor, maps in zip(
                grads, part, part_grads, strict=True
            ):
                grad[block] = _from_maps(maps, tensor.shape)
        return *grads, None


def _block_gradients(
    grad_output: Tensor,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    geometry: Geometry,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a block's gradients of input, offset and mask as maps."""
    height, width = input.shape[1:3]
    maps, grid, weights = _prepare(input, offset, mask, geometry)
    # (B*g, Cg, Ho*Wo) -> (B*g, Cg, 1, Ho*Wo)
    grad = _to_maps(grad_output, maps.dtype).unsqueeze(2)
    sampled = _sample(maps, grid)
    grad_weights = sampled.mul_(grad).sum(1)
    grad_maps, grad_grid = torch.ops.aten.grid_sampler_2d_backward(
        torch.mul(grad, weights, out=sampled),
        maps,
        grid,
        0,  # bilinear
        0,  # zeros outside
        False,  # align_corners
        (True, True),
    )
    # (B*g, P, Ho*Wo, 2) -> (B*g, P, 2, Ho*Wo), normalised -> pixels
    grad_offset = grad_grid.transpose(2, 3) * grad_grid.new_tensor(
        [[2 / width], [2 / height]]
    ).mul_(geometry.offset_scale)
    return grad_maps.flatten(2), grad_offset.flatten(1, 2), grad_weights


def _blocks(output: Tensor, taps: int) -> Iterator[tuple[slice, ...]]:
    """Yield slices of samples and groups that sample few enough values."""
    batch, height, width, groups, channels = output.shape
    limit = _BLOCK_VALUES.get(output.device.type, _BLOCK_VALUES_ELSEWHERE)
    pairs = max(1, limit // (height * width * channels * taps))
    group_step = min(pairs, groups)
    batch_step = max(1, pairs // groups)
    everything = slice(None)
    for n in range(0, batch, batch_step):
        samples = slice(n, n + batch_step)
        for g in range(0, groups, group_step):
            yield samples, everything, everything, slice(g, g + group_step)


def _prepare(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> tuple[Tensor, Tensor, Tensor]:
    """Lay a block out for ``grid_sample``.

    Args:
        input (Tensor): Shape (B, H, W, g, Cg).
        offset (Tensor): Shape (B, Ho, Wo, g, P*2).
        mask (Tensor): Shape (B, Ho, Wo, g, P).
        geometry (Geometry): The constants of the call.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Feature maps (B*g, Cg, H, W), sampling
        points in [-1, 1] (B*g, P, Ho*Wo, 2), x before y, and weights
        (B*g, 1, P, Ho*Wo).
    """
    dtype = torch.promote_types(input.dtype, torch.float32)
    maps = _to_maps(input, dtype).unflatten(2, input.shape[1:3])
    weights = _to_maps(mask, dtype).unsqueeze(1)
    grid = _normalised_points(
        _to_maps(offset, dtype), geometry, mask.shape[1:3], input.shape[1:3]
    )
    return maps, grid, weights


def _sample(maps: Tensor, grid: Tensor) -> Tensor:
    """Sample (B*g, Cg, H, W) at (B*g, P, L, 2) to (B*g, Cg, P, L)."""
    return F.grid_sample(
        maps, grid, mode='bilinear', padding_mode='zeros', align_corners=False
    )


def _normalised_points(
    offset: Tensor,
    geometry: Geometry,
    out_size: tuple[int, ...],
    size: tuple[int, ...],
) -> Tensor:
    """Return the sampling points in ``grid_sample``'s [-1, 1] coordinates.

    Args:
        offset (Tensor): Shape (B*g, P*2, Ho*Wo).
        geometry (Geometry): The constants of the call.
        out_size (tuple[int, ...]): Height and width of the output.
        size (tuple[int, ...]): Height and width of the input.

    Returns:
        Tensor: Shape (B*g, P, Ho*Wo, 2), x before y.
    """
    tap_x, tap_y = (
        offset.new_tensor(taps).view(-1, 1, 1) * geometry.offset_scale
        for taps in geometry.regular_grid()
    )
    position_y, position_x = (
        torch.arange(length, dtype=offset.dtype, device=offset.device)
        * geometry.stride
        + geometry.origin
        for length in out_size
    )
    # (B*g, P*2, Ho*Wo) -> (B*g, P, 2, Ho, Wo)
    offset = offset.unflatten(2, out_size).unflatten(1, (-1, 2))
    offset = offset * geometry.offset_scale
    x = offset[:, :, 0] + (tap_x + position_x)
    y = offset[:, :, 1] + (tap_y + position_y.unsqueeze(-1))
    return torch.stack(
        ((2 * x + 1) / size[1] - 1, (2 * y + 1) / size[0] - 1), dim=-1
    ).flatten(2, 3)


def _to_maps(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Lay (B, H, W, g, k) out as (B*g, k, H*W)."""
    tensor = tensor.to(dtype).permute(0, 3, 4, 1, 2)
    return tensor.flatten(3).flatten(0, 1).contiguous()


def _from_maps(maps: Tensor, shape: torch.Size) -> Tensor:
    """Lay (B*g, k, H*W) out as (B, H, W, g, k), where ``shape`` says B..g."""
    batch, height, width, groups = shape[:4]
    maps = maps.view(batch, groups, maps.shape[1], height, width)
    return maps.permute(0, 3, 4, 1, 2)
