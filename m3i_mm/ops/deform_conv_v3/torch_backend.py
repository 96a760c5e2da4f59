"""DCNv3 in plain PyTorch: any device, any floating dtype, exportable.

The samples and groups, which do not interact, are worked off block by block,
and nothing that was sampled is kept for the backward pass. The forward pass
is a weighted sum of rows of a table, ``embedding_bag``, once for each of the
four pixels around a location. The backward pass samples again by
``grid_sample``, whose gradient kernel is the faster one.

``torch.compile`` and ``torch.export`` see one ``grid_sample`` over everything.

``grid_sample`` normalises coordinates, so at exactly integer sampling points
rounding decides which one-sided derivative with respect to the offset is
taken. The arithmetic is done in float64 for float64 inputs and in float32 for
all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .geometry import Geometry
from .grid_sample import from_maps, prepare, sample, sample_and_sum, to_maps

__all__ = ['run', 'unavailable_reason']

# Sampled values per block: they bound the memory (8 MiB of float32 on a CPU),
# and must be enough to amortise the calls and to keep a GPU busy.
_BLOCK_VALUES = {'cpu': 2**21}
_BLOCK_VALUES_ELSEWHERE = 2**25


def unavailable_reason(device: torch.device) -> str | None:
    """Return None: this backend runs everywhere."""
    return None


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 with operators of PyTorch; see :func:`.dcnv3`."""
    groups, taps = geometry.groups, geometry.taps
    parts = (
        # (N, H, W, G*k) -> (N, H, W, G, k): a block is a slice of it
        input.unflatten(-1, (groups, input.shape[-1] // groups)),
        offset.unflatten(-1, (groups, taps * 2)),
        mask.unflatten(-1, (groups, taps)),
        geometry,
    )
    if torch.compiler.is_compiling():
        return sample_and_sum(*parts).flatten(-2)
    return _BlockwiseDCNv3.apply(*parts).flatten(-2)


class _BlockwiseDCNv3(torch.autograd.Function):
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
            output[block] = _sum_pixels(
                input[block], offset[block], mask[block], geometry
            )
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, offset, mask = ctx.saved_tensors
        grads = [torch.empty_like(tensor) for tensor in (input, offset, mask)]
        for block in _blocks(grad_output, ctx.geometry.taps):
            part = input[block], offset[block], mask[block]
            part_grads = _gradients(grad_output[block], *part, ctx.geometry)
            for grad, tensor, maps in zip(
                grads, part, part_grads, strict=True
            ):
                grad[block] = from_maps(maps, tensor.shape)
        return *grads, None


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


def _sum_pixels(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Sum the four pixels around each tap, with weights.

    Args:
        input (Tensor): Shape (B, H, W, g, Cg).
        offset (Tensor): Shape (B, Ho, Wo, g, P*2).
        mask (Tensor): Shape (B, Ho, Wo, g, P).
        geometry (Geometry): The constants of the call.

    Returns:
        Tensor: Shape (B, Ho, Wo, g, Cg).
    """
    batch, height, width, groups, channels = input.shape
    dtype = torch.promote_types(input.dtype, torch.float32)
    # a row of the table is a group of one pixel: (B*H*W*g, Cg)
    table = input.to(dtype).reshape(-1, channels)
    image = torch.arange(batch, device=input.device) * (height * width)
    first = image.view(-1, 1, 1, 1, 1) * groups + torch.arange(
        groups, device=input.device
    ).view(-1, 1)
    x, y = geometry.locations(offset.to(dtype))
    total = input.new_zeros(mask[..., 0].numel(), channels, dtype=dtype)
    columns = _neighbours(x, width)
    mask = mask.to(dtype)
    for row, row_weight in _neighbours(y, height):
        start = row * (width * groups) + first
        weight = mask * row_weight
        for column, column_weight in columns:
            total += F.embedding_bag(
                (column * groups + start).flatten(0, 3),
                table,
                mode='sum',
                per_sample_weights=(weight * column_weight).flatten(0, 3),
            )
    return total.view(*mask.shape[:4], channels)


def _neighbours(
    location: Tensor, size: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return index and weight of the pixels below and above a location.

    A pixel that does not exist has weight zero and the index of one that does.
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


def _gradients(
    grad_output: Tensor,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    geometry: Geometry,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a block's gradients of input, offset and mask as maps."""
    height, width = input.shape[1:3]
    maps, grid, weights = prepare(input, offset, mask, geometry)
    # (B*g, Cg, Ho*Wo) -> (B*g, Cg, 1, Ho*Wo)
    grad = to_maps(grad_output, maps.dtype).unsqueeze(2)
    sampled = sample(maps, grid)
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
