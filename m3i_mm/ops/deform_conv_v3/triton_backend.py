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
from .prediction import Layout
from .triton_constants import (
    compute_dtype,
    has_aligned_pairs,
    import_kernels,
    row_grid,
    sampling_constants,
    tile_constants,
)
from .triton_gradients import Sampling, add_gradients, gather_gradients
from .triton_sources import Sources

__all__ = ['run', 'run_kernels', 'run_prediction', 'unavailable_reason']

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
    return run_kernels(input, offset, mask, geometry, Layout(), atomic=False)


def run_prediction(
    input: Tensor, prediction: Tensor, layout: Layout, geometry: Geometry
) -> Tensor:
    """Compute it from a prediction; see :func:`.dcnv3_from_prediction`."""
    return run_kernels(input, prediction, None, geometry, layout, atomic=False)


def run_kernels(
    input: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    geometry: Geometry,
    layout: Layout,
    atomic: bool,
) -> Tensor:
    """Compute DCNv3 with one of two ways back to the input.

    Args:
        input (Tensor): Shape (N, H, W, C).
        offset (Tensor): Shape (N, Ho, Wo, G*P*2), or a prediction.
        mask (Tensor, optional): Shape (N, Ho, Wo, G*P); None for a
            prediction.
        geometry (Geometry): The constants of the call.
        layout (Layout): What the columns of a prediction are.
        atomic (bool): Whether the gradient of the input is added atomically
            instead of gathered.

    Returns:
        Tensor: Shape (N, Ho, Wo, C).
    """
    arguments = (
        input.contiguous(),
        offset.contiguous(),
        None if mask is None else mask.contiguous(),
        *geometry,
        *layout,
        atomic,
    )
    if torch.compiler.is_compiling():
        return _dcnv3(*arguments)[0]
    return _TritonDCNv3.apply(*arguments)[0]


def _forward(
    input: Tensor, sources: Sources, geometry: Geometry
) -> tuple[Tensor, Tensor]:
    """Return the output and, of a softmax, the logarithms of its sums."""
    kernels = import_kernels()
    output = input.new_empty(*sources.offset.shape[:3], input.shape[3])
    log_sum = _allocate_log_sum(input, output, sources.layout, geometry)
    channels = input.shape[3] // geometry.groups
    tile = _FORWARD_BYTES // input.element_size()
    is_odd = channels % 2 == 1
    if is_odd:
        tile //= 2  # values one by one take many registers
    block = kernels.triton.next_power_of_2(channels)
    rows = max(1, tile // block)
    positions = tile_constants(geometry, output, rows)
    launch(
        kernels.forward_kernel,
        row_grid(geometry, output, rows, *positions.values()),
        (
            *(input, *sources.points(geometry)),
            *(log_sum if sources.layout.softmax else None, output),
        ),
        output.numel() // channels,
        *input.shape[1:3],
        *output.shape[1:3],
        **sampling_constants(geometry, input, sources, output),
        TAPS=geometry.taps,
        BLOCK_CHANNELS=block,
        TILE=tile,
        **positions,
        PACKED=input.dtype == torch.bfloat16
        and not is_odd
        and has_aligned_pairs(input),
        num_warps=_WARPS,
    )
    return output, log_sum


def _allocate_log_sum(
    input: Tensor, output: Tensor, layout: Layout, geometry: Geometry
) -> Tensor:
    shape = (*output.shape[:3], geometry.groups) if layout.softmax else (0,)
    return input.new_empty(shape, dtype=compute_dtype(input))


def _gradients(
    input: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    output: Tensor | None,
    log_sum: Tensor | None,
    grad_output: Tensor,
    constants: tuple[Any, ...],
    of_input: bool,
    of_points: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients; those that are not asked for are empty."""
    geometry, layout, atomic = _read(constants)
    sampling = Sampling(
        input,
        Sources(offset, mask, layout),
        output,
        log_sum,
        grad_output.contiguous(),
        geometry,
    )
    compute = add_gradients if atomic else gather_gradients
    grad_input, gradient = compute(sampling, of_input, of_points)
    of_offset, of_mask = None, None
    if gradient is not None:
        of_offset, of_mask, _ = gradient
    return (
        input.new_empty(0) if grad_input is None else grad_input,
        offset.new_empty(0) if of_offset is None else of_offset,
        _holder(offset, mask).new_empty(0) if of_mask is None else of_mask,
    )


def _holder(offset: Tensor, mask: Tensor | None) -> Tensor:
    """Return the tensor that holds the mask."""
    return offset if mask is None else mask


def _save(
    ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]
) -> None:
    sampled, log_sum = output
    ctx.mark_non_differentiable(log_sum)
    ctx.set_materialize_grads(False)
    ctx.constants = inputs[3:]
    layout = _read(ctx.constants)[1]
    # what is saved stays in memory, and must not be changed in place
    ctx.save_for_backward(
        *inputs[:3],
        sampled if layout.softmax or layout.gate else None,
        log_sum if layout.softmax else None,
    )


def _read(constants: tuple[Any, ...]) -> tuple[Geometry, Layout, bool]:
    """Return what the last arguments of the operators say."""
    *geometry, softmax, gate, by_group, atomic = constants
    return Geometry(*geometry), Layout(softmax, gate, by_group), atomic


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
        input: Tensor, offset: Tensor, mask: Tensor | None, *constants: Any
    ) -> tuple[Tensor, Tensor]:
        geometry, layout, _ = _read(constants)
        return _forward(input, Sources(offset, mask, layout), geometry)

    setup_context = staticmethod(_save)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_output: Tensor, _: None
    ) -> tuple[Tensor | None, ...]:
        if torch._C._are_functorch_transforms_active():
            # their wrapped tensors reach kernels through an operator only
            return _operator_backward(ctx, grad_output, None)
        input, offset, mask, output, log_sum = ctx.saved_tensors
        gradients = _gradients(
            *(input, offset, mask, output, log_sum, grad_output),
            *(ctx.constants, *_wanted(ctx)),
        )
        return _asked_for(ctx, gradients)


@torch.library.custom_op('m3i_mm::dcnv3', mutates_args=())
def _dcnv3(
    input: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    kernel_size: int,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    offset_scale: float,
    remove_center: bool,
    softmax: bool,
    gate: bool,
    by_group: bool,
    atomic: bool,
) -> tuple[Tensor, Tensor]:
    geometry = Geometry(
        kernel_size,
        stride,
        padding,
        dilation,
        groups,
        offset_scale,
        remove_center,
    )
    layout = Layout(softmax, gate, by_group)
    return _forward(input, Sources(offset, mask, layout), geometry)


@_dcnv3.register_fake
def _(
    input: Tensor, offset: Tensor, mask: Tensor | None, *constants: Any
) -> tuple[Tensor, Tensor]:
    output = input.new_empty(*offset.shape[:3], input.shape[3])
    geometry, layout, _ = _read(constants)
    return output, _allocate_log_sum(input, output, layout, geometry)


@torch.library.custom_op('m3i_mm::dcnv3_backward', mutates_args=())
def _dcnv3_backward(
    input: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    output: Tensor | None,
    log_sum: Tensor | None,
    grad_output: Tensor,
    kernel_size: int,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    offset_scale: float,
    remove_center: bool,
    softmax: bool,
    gate: bool,
    by_group: bool,
    atomic: bool,
    of_input: bool,
    of_points: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    constants = (
        *(kernel_size, stride, padding, dilation, groups),
        *(offset_scale, remove_center, softmax, gate, by_group, atomic),
    )
    return _gradients(
        *(input, offset, mask, output, log_sum, grad_output),
        *(constants, of_input, of_points),
    )


@_dcnv3_backward.register_fake
def _(
    input: Tensor, offset: Tensor, mask: Tensor | None, *others: Any
) -> tuple[Tensor, Tensor, Tensor]:
    of_input, of_points = others[-2:]
    return (
        input.new_empty(input.shape if of_input else 0),
        offset.new_empty(offset.shape if of_points else 0),
        _holder(offset, mask).new_empty(
            mask.shape if of_points and mask is not None else 0
        ),
    )


def _operator_backward(
    ctx: Any, grad_output: Tensor, _: None
) -> tuple[Tensor | None, ...]:
    gradients = _dcnv3_backward(
        *ctx.saved_tensors, grad_output, *ctx.constants, *_wanted(ctx)
    )
    return _asked_for(ctx, gradients)


_dcnv3.register_autograd(_operator_backward, setup_context=_save)
