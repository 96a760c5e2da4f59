"""DCNv3 in plain PyTorch: any device, any floating dtype, exportable.

It works block by block, and keeps nothing that was sampled for the backward
pass. The forward pass is a weighted sum of rows of a table, ``embedding_bag``,
once for each of the four pixels around a location. The backward pass samples
again by ``grid_sample``, whose gradient kernel is the faster one; in
deterministic mode on a GPU, :mod:`.deterministic_gradient` takes its place.

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

from .deterministic_gradient import deterministic_gradients
from .geometry import Geometry
from .grid_sample import from_maps, prepare, sample, sample_and_sum, to_maps

__all__ = ['neighbours', 'run', 'unavailable_reason']

grid_sampler_2d_backward = torch.ops.aten.grid_sampler_2d_backward

# Sampled values per block: they bound the memory (4 MiB of float32 on a CPU),
# and must be enough to amortise the calls and to keep a GPU busy.
_BLOCK_VALUES = {'cpu': 2**20}
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
        return _forward(input, offset, mask, geometry).to(input.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, offset, mask = tensors = ctx.saved_tensors
        if _must_be_deterministic(grad_output.device):
            grads = deterministic_gradients(
                grad_output, input, offset, mask, ctx.geometry
            )
        else:
            maps = _backward(grad_output, input, offset, mask, ctx.geometry)
            of_input, of_offset, of_mask = (
                from_maps(grad, tensor.shape)
                for grad, tensor in zip(maps, tensors, strict=True)
            )
            grads = of_input, of_offset, of_mask
        return *(
            grad.to(tensor.dtype)
            for grad, tensor in zip(grads, tensors, strict=True)
        ), None


def _must_be_deterministic(device: torch.device) -> bool:
    """Whether the gradient of ``grid_sample`` would be refused."""
    return (
        device.type != 'cpu' and torch.are_deterministic_algorithms_enabled()
    )


def _blocks(length: int, values: int, device: torch.device) -> Iterator[slice]:
    """Cut a dimension whose entries sample ``values`` values each."""
    limit = _BLOCK_VALUES.get(device.type, _BLOCK_VALUES_ELSEWHERE)
    step = max(1, limit // values)
    for start in range(0, length, step):
        yield slice(start, start + step)


def _forward(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Sum the four pixels around each tap, with weights.

    Args:
        input (Tensor): Shape (N, H, W, G, Cg).
        offset (Tensor): Shape (N, Ho, Wo, G, P*2).
        mask (Tensor): Shape (N, Ho, Wo, G, P).
        geometry (Geometry): The constants of the call.

    Returns:
        Tensor: Shape (N, Ho, Wo, G, Cg), in the dtype of the arithmetic.
    """
    batch, height, width, groups, channels = input.shape
    dtype = torch.promote_types(input.dtype, torch.float32)
    # a row of the table is a group of one pixel: (N*H*W*G, Cg)
    table = input.to(dtype).reshape(-1, channels)
    index = torch.int32 if len(table) < 2**31 else torch.int64
    image, group = (
        torch.arange(count, dtype=index, device=input.device)
        for count in (batch, groups)
    )
    first = image.view(-1, 1, 1, 1) * (height * width * groups) + group
    # (N, Ho, Wo, G, P) -> (N*Ho*Wo*G, P)
    x, y, weights, first = (
        tensor.flatten(0, 3)
        for tensor in (
            *geometry.locations(offset.to(dtype)),
            mask.to(dtype),
            first.expand(mask.shape[:4]).unsqueeze(-1),
        )
    )
    output = table.new_zeros(len(x), channels)
    for block in _blocks(len(x), geometry.taps * channels, input.device):
        columns = neighbours(x[block], width, index)
        for row, row_weight in neighbours(y[block], height, index):
            start = first[block] + row * (width * groups)
            row_weight = row_weight * weights[block]
            for column, column_weight in columns:
                output[block] += F.embedding_bag(
                    start + column * groups,
                    table,
                    mode='sum',
                    per_sample_weights=row_weight * column_weight,
                )
    return output.view(*mask.shape[:4], channels)


def neighbours(
    location: Tensor, size: int, dtype: torch.dtype
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return index and weight of the pixels below and above a location.

    Args:
        location (Tensor): Along one axis, in pixels, of any shape.
        size (int): Number of pixels.
        dtype (torch.dtype): Of the indices.

    Returns:
        tuple: Index and weight of both. A pixel that does not exist has
        weight zero and the index of one that does.
    """
    low = location.floor()
    fraction = location - low
    index = low.to(dtype)
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


def _backward(
    grad_output: Tensor,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    geometry: Geometry,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sample again and apply the chain rule.

    Args:
        grad_output (Tensor): Shape (N, Ho, Wo, G, Cg).
        input (Tensor): Shape (N, H, W, G, Cg).
        offset (Tensor): Shape (N, Ho, Wo, G, P*2).
        mask (Tensor): Shape (N, Ho, Wo, G, P).
        geometry (Geometry): The constants of the call.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Gradients of input (N*G, Cg, H*W),
        offset (N*G, P*2, Ho*Wo) and mask (N*G, P, Ho*Wo).
    """
    height, width = input.shape[1:3]
    maps, grid, weights = prepare(input, offset, mask, geometry)
    # (N*G, Cg, Ho*Wo) -> (N*G, Cg, 1, Ho*Wo)
    grad = to_maps(grad_output, maps.dtype).unsqueeze(2)
    grad_maps, grad_grid = torch.empty_like(maps), torch.empty_like(grid)
    grad_weights = torch.empty_like(weights)
    values = grad[0].numel() * geometry.taps
    for block in _blocks(len(maps), values, maps.device):
        sampled = sample(maps[block], grid[block])
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
    return grad_maps.flatten(2), grad_offset.flatten(1, 2), grad_weights[:, 0]
