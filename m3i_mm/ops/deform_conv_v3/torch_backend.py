"""DCNv3 in plain PyTorch: any device, any floating dtype, exportable.

It works block by block, and keeps nothing that was sampled for the backward
pass. Both passes are sums of rows of a table, see :mod:`.rows`, but for the
backward pass on a GPU: unless it must be deterministic, that is the gradient
of ``grid_sample``, which adds atomically.

``torch.compile`` and ``torch.export`` see one ``grid_sample`` over everything.

The arithmetic is done in float64 for float64 inputs and in float32 for all
others. At exactly integer sampling points the derivative with respect to the
offset is the right-hand one; where ``grid_sample`` computes it, which
normalises coordinates, rounding decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import grid_sample, rows
from .geometry import Geometry

__all__ = ['run', 'unavailable_reason']

# Sampled points per block: they bound the memory, should stay in the cache of
# a CPU, and must be enough to amortise the calls and to keep a GPU busy. On a
# CPU, integers are sorted by radix from 2**15 on.
_BLOCK_POINTS = {'cpu': 2**16}
_BLOCK_POINTS_ELSEWHERE = 2**21


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
        return grid_sample.sample_and_sum(*parts).flatten(-2)
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
        output = input.new_empty(*mask.shape[:4], input.shape[-1])
        for block in _blocks(mask):
            output[block] = rows.weighted_sum(
                input[block], offset[block], mask[block], geometry
            )
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        input, offset, mask = tensors = ctx.saved_tensors
        gradients = (
            grid_sample.gradients
            if _adds_atomically(grad_output.device)
            else _gradients
        )
        grads = gradients(input, offset, mask, grad_output, ctx.geometry)
        return *(
            grad.to(tensor.dtype)
            for grad, tensor in zip(grads, tensors, strict=True)
        ), None


def _adds_atomically(device: torch.device) -> bool:
    """Whether the gradient of ``grid_sample`` is faster and allowed."""
    return (
        device.type != 'cpu'
        and not torch.are_deterministic_algorithms_enabled()
    )


def _blocks(mask: Tensor) -> Iterator[tuple[slice, ...]]:
    """Cut images and groups of (N, Ho, Wo, G, P) into blocks of points."""
    batch, height, width, groups, taps = mask.shape
    limit = _BLOCK_POINTS.get(mask.device.type, _BLOCK_POINTS_ELSEWHERE)
    some_groups = min(groups, max(1, limit // (height * width * taps)))
    points = height * width * taps * some_groups
    for images in _slices(batch, limit // points):
        for part in _slices(groups, some_groups):
            yield images, slice(None), slice(None), part


def _slices(length: int, step: int) -> Iterator[slice]:
    step = max(1, step)
    for start in range(0, length, step):
        yield slice(start, start + step)


def _gradients(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    grad_output: Tensor,
    geometry: Geometry,
) -> list[Tensor]:
    """Return the gradients of input, offset and mask, in their dtypes."""
    grads = [torch.empty_like(tensor) for tensor in (input, offset, mask)]
    for block in _blocks(mask):
        of_block = rows.gradients(
            input[block],
            offset[block],
            mask[block],
            grad_output[block],
            geometry,
        )
        for grad, part in zip(grads, of_block, strict=True):
            grad[block] = part
    return grads
