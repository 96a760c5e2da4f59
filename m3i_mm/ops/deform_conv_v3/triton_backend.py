"""DCNv3 by Triton kernels, compiled on first use.

The kernels are wrapped as operators of ``torch.library`` with fake
implementations, so ``torch.compile`` and ``torch.export`` pass over them
without a graph break. Each tensor is loaded in its own dtype and the
arithmetic is in float32 (float64 for float64 inputs), so autocast needs no
rule: half precision features with a float32 mask are taken as they come.

The gradient of the input is summed by atomic additions in float32. Its last
bits depend on their order, so that it is not deterministic; under
``torch.use_deterministic_algorithms(True)`` the backward pass raises.
"""

from __future__ import annotations

import contextlib
import os
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .geometry import Geometry

__all__ = ['run', 'unavailable_reason']

# Elements that 32-bit indices serve, with room for the last block's excess.
_NARROW_INDEX_LIMIT = 2**30


def unavailable_reason(device: torch.device) -> str | None:
    """Return why the kernels cannot run on ``device``, or None."""
    if find_spec('triton') is None:
        return 'triton is not installed'
    if device.type != 'cuda' and not (
        device.type == 'cpu' and _is_interpreted()
    ):
        return f'its kernels need a GPU, the tensors are on {device.type}'
    return None


def _is_interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, on the CPU."""
    return os.environ.get('TRITON_INTERPRET') == '1'


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 with the Triton kernels; see :func:`.dcnv3`."""
    return _dcnv3(
        input.contiguous(), offset.contiguous(), mask.contiguous(), *geometry
    )


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
    output = input.new_empty(*mask.shape[:3], input.shape[3])
    _launch('forward_kernel', (input, offset, mask, output), geometry)
    return output


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
) -> tuple[Tensor, Tensor, Tensor]:
    _require_nondeterminism()
    geometry = Geometry(
        kernel_size,
        stride,
        padding,
        dilation,
        groups,
        offset_scale,
        remove_center,
    )
    grad_input = torch.zeros_like(input, dtype=_compute_dtype(input))
    grad_offset, grad_mask = torch.empty_like(offset), torch.empty_like(mask)
    tensors = (
        input,
        offset,
        mask,
        grad_output.contiguous(),
        grad_input,
        grad_offset,
        grad_mask,
    )
    _launch('backward_kernel', tensors, geometry)
    return grad_input.to(input.dtype), grad_offset, grad_mask


@_dcnv3_backward.register_fake
def _(
    input: Tensor, offset: Tensor, mask: Tensor, *others: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.empty_like(input),
        torch.empty_like(offset),
        torch.empty_like(mask),
    )


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.geometry = inputs[3:]


def _backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
    grads = _dcnv3_backward(*ctx.saved_tensors, grad_output, *ctx.geometry)
    return *grads, *(None for _ in ctx.geometry)


_dcnv3.register_autograd(_backward, setup_context=_save)


def _compute_dtype(input: Tensor) -> torch.dtype:
    return torch.promote_types(input.dtype, torch.float32)


def _require_nondeterminism() -> None:
    """Raise as PyTorch's own operators do when determinism is asked for."""
    if (
        torch.are_deterministic_algorithms_enabled()
        and not torch.is_deterministic_algorithms_warn_only_enabled()
    ):
        raise RuntimeError(
            "dcnv3: the backward pass of the backend 'triton' has no "
            'deterministic implementation, use backend="torch"'
        )


def _kernels() -> ModuleType:
    from . import triton_kernels

    return triton_kernels


def _launch(
    name: str, tensors: tuple[Tensor, ...], geometry: Geometry
) -> None:
    """Launch a kernel over the rows (one group of one output position)."""
    kernels = _kernels()
    tl, cdiv = kernels.tl, kernels.triton.cdiv
    input, _, mask = tensors[:3]
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
        WIDE_INDEX=max(t.numel() for t in tensors) >= _NARROW_INDEX_LIMIT,
        COMPUTE=tl.float64 if input.dtype == torch.float64 else tl.float32,
    )

    def grid(meta: dict[str, Any]) -> tuple[int]:
        return (cdiv(row_count, max(1, meta['TILE'] // block_channels)),)

    with _on_device(input.device):
        getattr(kernels, name)[grid](
            *tensors,
            row_count,
            height,
            width,
            *mask.shape[1:3],
            **constants,
        )


def _on_device(device: torch.device) -> contextlib.AbstractContextManager:
    """Triton launches on the current device, whatever the tensors are on."""
    if device.type == 'cuda':
        return torch.cuda.device(device)
    return contextlib.nullcontext()
