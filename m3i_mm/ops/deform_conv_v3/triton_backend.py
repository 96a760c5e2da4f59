"""DCNv3 by Triton kernels, compiled on first use.

Eager mode runs them in an ``autograd.Function``, which costs the host little;
``torch.compile`` and ``torch.export`` see operators of ``torch.library`` with
fake implementations, without a graph break. Each tensor is loaded in its own
dtype and the arithmetic is in float32 (float64 for float64 inputs), so
autocast needs no rule: half precision features with a float32 mask are taken
as they come. Gradients that are not asked for are not computed, and
forward-mode differentiation raises.

The gradient of the input is summed by atomic additions in float32. Its last
bits depend on their order, so that it is not deterministic; under
``torch.use_deterministic_algorithms(True)`` the backward pass raises, or warns
with ``warn_only``.
"""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from m3i_mm.ops.triton_launch import (
    launch,
    needs_wide_index,
    unavailable_reason,
)

from .geometry import Geometry

__all__ = ['run', 'unavailable_reason']

# Warps of a program, values of a backward one and bytes of a forward one: two
# loads of 16 bytes a thread. They follow from the compiled code, not from a
# trial of several at the first step, which would stall it and take memory at
# its peak: few instructions, and registers for many warps.
_WARPS = 4
_BACKWARD_TILE = 1024
_FORWARD_BYTES = 2 * 16 * 32 * _WARPS


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 with the Triton kernels; see :func:`.dcnv3`."""
    arguments = (
        input.contiguous(),
        offset.contiguous(),
        mask.contiguous(),
        *geometry,
    )
    if torch.compiler.is_compiling():
        return _dcnv3(*arguments)
    return _TritonDCNv3.apply(*arguments)


def _forward(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    output = input.new_empty(*mask.shape[:3], input.shape[3])
    is_odd = input.shape[3] // geometry.groups % 2 == 1
    tile = _FORWARD_BYTES // input.element_size()
    _launch(
        'forward_kernel',
        (input, offset, mask, output),
        geometry,
        # values one by one take many registers
        TILE=tile // 2 if is_odd else tile,
        PACKED=input.dtype == torch.bfloat16
        and not is_odd
        and _has_aligned_pairs(input),
    )
    return output


def _has_aligned_pairs(tensor: Tensor) -> bool:
    """Whether two neighbours can be loaded as one word of twice the size."""
    return tensor.storage_offset() % 2 == 0


def _gradients(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    grad_output: Tensor,
    geometry: Geometry,
    of_input: bool,
    of_points: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients; those that are not asked for are empty."""
    grad_input, grad_offset, grad_mask = (
        tensor.new_empty(tensor.shape if wanted else 0, dtype=dtype)
        for tensor, wanted, dtype in (
            (input, of_input, _compute_dtype(input)),
            (offset, of_points, offset.dtype),
            (mask, of_points, mask.dtype),
        )
    )
    if of_input:
        _warn_of_nondeterminism()
    tensors = (
        input,
        offset,
        mask,
        grad_output.contiguous(),
        grad_input.zero_(),
        grad_offset,
        grad_mask,
    )
    _launch(
        'backward_kernel',
        tensors,
        geometry,
        TILE=_BACKWARD_TILE,
        INPUT_GRADIENT=of_input,
        POINTS_GRADIENT=of_points,
    )
    return grad_input.to(input.dtype), grad_offset, grad_mask


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.constants = inputs[3:]


def _wanted(ctx: Any) -> tuple[bool, bool]:
    of_input, of_offset, of_mask = ctx.needs_input_grad[:3]
    return of_input, of_offset or of_mask


def _asked_for(
    ctx: Any, gradients: tuple[Tensor, ...]
) -> tuple[Tensor | None, ...]:
    """Return the gradients that are needed, and None for all else."""
    needed = zip(gradients, ctx.needs_input_grad, strict=False)
    return (
        *(gradient if need else None for gradient, need in needed),
        *(None for _ in ctx.constants),
    )


class _TritonDCNv3(torch.autograd.Function):
    """The kernels in eager mode."""

    @staticmethod
    def forward(
        input: Tensor, offset: Tensor, mask: Tensor, *constants: Any
    ) -> Tensor:
        return _forward(input, offset, mask, Geometry(*constants))

    setup_context = staticmethod(_save)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        if torch._C._are_functorch_transforms_active():
            # their wrapped tensors reach kernels through an operator only
            return _operator_backward(ctx, grad_output)
        input, offset, mask = ctx.saved_tensors
        of_input, of_points = _wanted(ctx)
        gradients = _gradients(
            input,
            offset,
            mask,
            grad_output,
            Geometry(*ctx.constants),
            of_input,
            of_points,
        )
        return _asked_for(ctx, gradients)


@torch.library.custom_op('m3i_mm::dcnv3', mutates_args=())
def _dcnv3(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    kernel_size: int,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    offset_scale: float,
    remove_center: bool,
) -> Tensor:
    geometry = Geometry(
        kernel_size,
        stride,
        padding,
        dilation,
        groups,
        offset_scale,
        remove_center,
    )
    return _forward(input, offset, mask, geometry)


@_dcnv3.register_fake
def _(input: Tensor, offset: Tensor, mask: Tensor, *constants: Any) -> Tensor:
    return input.new_empty(*mask.shape[:3], input.shape[3])


@torch.library.custom_op('m3i_mm::dcnv3_backward', mutates_args=())
def _dcnv3_backward(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    grad_output: Tensor,
    kernel_size: int,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    offset_scale: float,
    remove_center: bool,
    of_input: bool,
    of_points: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    geometry = Geometry(
        kernel_size,
        stride,
        padding,
        dilation,
        groups,
        offset_scale,
        remove_center,
    )
    return _gradients(
        input, offset, mask, grad_output, geometry, of_input, of_points
    )


@_dcnv3_backward.register_fake
def _(
    input: Tensor, offset: Tensor, mask: Tensor, *others: Any
) -> tuple[Tensor, Tensor, Tensor]:
    of_input, of_points = others[-2:]
    return (
        input.new_empty(input.shape if of_input else 0),
        offset.new_empty(offset.shape if of_points else 0),
        mask.new_empty(mask.shape if of_points else 0),
    )


def _operator_backward(
    ctx: Any, grad_output: Tensor
) -> tuple[Tensor | None, ...]:
    gradients = _dcnv3_backward(
        *ctx.saved_tensors, grad_output, *ctx.constants, *_wanted(ctx)
    )
    return _asked_for(ctx, gradients)


_dcnv3.register_autograd(_operator_backward, setup_context=_save)


def _compute_dtype(input: Tensor) -> torch.dtype:
    return torch.promote_types(input.dtype, torch.float32)


def _warn_of_nondeterminism() -> None:
    """Raise or warn as PyTorch's own operators do in deterministic mode."""
    if not torch.are_deterministic_algorithms_enabled():
        return
    message = (
        "dcnv3: the gradient of the input by the backend 'triton' has no "
        "deterministic implementation, backend='torch' has one"
    )
    if not torch.is_deterministic_algorithms_warn_only_enabled():
        raise RuntimeError(message)
    warnings.warn(message, stacklevel=2)


def _kernels() -> ModuleType:
    from . import triton_kernels

    return triton_kernels


def _launch(
    name: str,
    tensors: tuple[Tensor, ...],
    geometry: Geometry,
    TILE: int,
    **switches: bool,
) -> None:
    """Launch a kernel over the rows (one group of one output position)."""
    kernels = _kernels()
    tl, cdiv = kernels.tl, kernels.triton.cdiv
    input, offset, mask = tensors[:3]
    height, width, channels = input.shape[1:]
    group_channels = channels // geometry.groups
    row_count = mask.numel() // geometry.taps
    block_channels = kernels.triton.next_power_of_2(group_channels)
    constants = dict(
        KERNEL_SIZE=geometry.kernel_size,
        STRIDE=geometry.stride,
        DILATION=geometry.dilation,
        ORIGIN=geometry.origin,
        OFFSET_SCALE=float(geometry.offset_scale),
        REMOVE_CENTER=geometry.remove_center,
        TAPS=geometry.taps,
        GROUPS=geometry.groups,
        GROUP_CHANNELS=group_channels,
        BLOCK_CHANNELS=block_channels,
        WIDE_INDEX=needs_wide_index(*tensors),
        COMPUTE=tl.float64 if input.dtype == torch.float64 else tl.float32,
        TILE=TILE,
        PACKED_OFFSET=offset.dtype in (torch.bfloat16, torch.float32)
        and _has_aligned_pairs(offset),
    )
    launch(
        getattr(kernels, name),
        cdiv(row_count, max(1, TILE // block_channels)),
        tensors,
        row_count,
        height,
        width,
        *mask.shape[1:3],
        **constants,
        **switches,
        num_warps=_WARPS,
    )
