"""DCNv3 by Triton kernels, compiled on first use.

Eager mode runs them in an ``autograd.Function``, which costs the host little;
``torch.compile`` and ``torch.export`` see operators of ``torch.library`` with
fake implementations, without a graph break. Each tensor is loaded in its own
dtype and the arithmetic is in float32 (float64 for float64 inputs), so
autocast needs no rule: half precision features with a float32 mask are taken
as they come. Gradients that are not asked for are not computed, and
forward-mode differentiation raises.

The gradient of the input is gathered by tiles, see :mod:`.triton_gradients`:
deterministic under ``torch.use_deterministic_algorithms(True)``.
:mod:`.triton_atomic_backend` adds it atomically.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from m3i_mm.ops.triton_launch import launch, unavailable_reason

from .geometry import Geometry
from .triton_constants import (
    has_aligned_pairs,
    import_kernels,
    sampling_constants,
    tile_constants,
)
from .triton_gradients import Sampling, add_gradients, gather_gradients

__all__ = ['run', 'run_kernels', 'unavailable_reason']

# Warps of a forward program, and bytes: two loads of 16 bytes a thread. They
# follow from the compiled code, not from a trial of several at the first step,
# which would stall it and take memory at its peak: few instructions, and
# registers for many warps.
_WARPS = 4
_FORWARD_BYTES = 2 * 16 * 32 * _WARPS


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 with the Triton kernels; see :func:`.dcnv3`."""
    return run_kernels(input, offset, mask, geometry, atomic=False)


def run_kernels(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    geometry: Geometry,
    atomic: bool,
) -> Tensor:
    """Compute DCNv3 with one of two ways back to the input.

    Args:
        input (Tensor): Shape (N, H, W, C).
        offset (Tensor): Shape (N, Ho, Wo, G*P*2).
        mask (Tensor): Shape (N, Ho, Wo, G*P).
        geometry (Geometry): The constants of the call.
        atomic (bool): Whether the gradient of the input is added atomically
            instead of gathered.

    Returns:
        Tensor: Shape (N, Ho, Wo, C).
    """
    arguments = (
        input.contiguous(),
        offset.contiguous(),
        mask.contiguous(),
        *geometry,
        atomic,
    )
    if torch.compiler.is_compiling():
        return _dcnv3(*arguments)
    return _TritonDCNv3.apply(*arguments)


def _forward(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    kernels = import_kernels()
    output = input.new_empty(*mask.shape[:3], input.shape[3])
    channels = input.shape[3] // geometry.groups
    row_count = mask.numel() // geometry.taps
    tile = _FORWARD_BYTES // input.element_size()
    is_odd = channels % 2 == 1
    if is_odd:
        tile //= 2  # values one by one take many registers
    block = kernels.triton.next_power_of_2(channels)
    launch(
        kernels.forward_kernel,
        -(-row_count // max(1, tile // block)),
        (input, offset, mask, output),
        row_count,
        *input.shape[1:3],
        *mask.shape[1:3],
        **sampling_constants(geometry, input, offset, output),
        BLOCK_CHANNELS=block,
        TILE=tile,
        **tile_constants(geometry, mask, max(1, tile // block)),
        PACKED=input.dtype == torch.bfloat16
        and not is_odd
        and has_aligned_pairs(input),
        num_warps=_WARPS,
    )
    return output


def _gradients(
    sampling: Sampling, atomic: bool, of_input: bool, of_points: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients; those that are not asked for are empty."""
    compute = add_gradients if atomic else gather_gradients
    return compute(sampling, of_input, of_points)


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
        return _forward(input, offset, mask, Geometry(*constants[:-1]))

    setup_context = staticmethod(_save)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        if torch._C._are_functorch_transforms_active():
            # their wrapped tensors reach kernels through an operator only
            return _operator_backward(ctx, grad_output)
        *geometry, atomic = ctx.constants
        input, offset, mask = ctx.saved_tensors
        sampling = Sampling(
            input,
            offset,
            mask,
            grad_output.contiguous(),
            Geometry(*geometry),
        )
        gradients = _gradients(sampling, atomic, *_wanted(ctx))
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
    atomic: bool = False,
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
    atomic: bool,
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
    sampling = Sampling(
        input, offset, mask, grad_output.contiguous(), geometry
    )
    return _gradients(sampling, atomic, of_input, of_points)


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
