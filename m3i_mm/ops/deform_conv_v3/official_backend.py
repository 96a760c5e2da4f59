"""DCNv3 by the CUDA extension of the official InternImage code.

The extension is called ``DCNv3`` and comes in two versions: 1.1 takes
``remove_center`` as a last argument, 1.0 does not know it. It has float32,
float64 and float16 kernels and indexes with 32 bits. At exactly integer
sampling points its derivative with respect to the offset is the right-hand
one, and zero for points exactly at -1.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .determinism import refuse_if_deterministic
from .geometry import Geometry

__all__ = ['run', 'unavailable_reason']

_KERNEL_DTYPES = (torch.float16, torch.float32, torch.float64)


def unavailable_reason(device: torch.device) -> str | None:
    """Return why the extension cannot run on ``device``, or None."""
    if device.type != 'cuda':
        return (
            'the official extension needs a GPU, '
            f'the tensors are on {device.type}'
        )
    if find_spec('DCNv3') is None:
        return (
            'the extension DCNv3 of the official InternImage code is not '
            'installed'
        )
    return None


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 with the official kernel; see :func:`.dcnv3`.

    Raises:
        RuntimeError: If ``remove_center`` is asked of version 1.0, or a tensor
            is too large for 32-bit indices.
    """
    if geometry.remove_center and not _knows_remove_center():
        raise RuntimeError(
            'dcnv3: version 1.0 of the extension DCNv3 has no remove_center, '
            "install 1.1 or use another backend, such as 'triton'"
        )
    if max(input.numel(), offset.numel()) >= 2**31:
        raise RuntimeError(
            'dcnv3: the official extension indexes with 32 bits and this '
            "input is too large for it, use backend='triton'"
        )
    dtype = input.dtype if input.dtype in _KERNEL_DTYPES else torch.float32
    output = _OfficialDCNv3.apply(
        *(tensor.to(dtype).contiguous() for tensor in (input, offset, mask)),
        geometry,
    )
    return output.to(input.dtype)


class _OfficialDCNv3(torch.autograd.Function):
    """Binding of the extension's two functions."""

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
        constants, remove_center = _constants(input, geometry)
        return importlib.import_module('DCNv3').dcnv3_forward(
            input, offset, mask, *constants, *remove_center
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        refuse_if_deterministic('official')
        constants, remove_center = _constants(grad_output, ctx.geometry)
        grads = importlib.import_module('DCNv3').dcnv3_backward(
            *ctx.saved_tensors,
            *constants,
            grad_output.contiguous(),
            *remove_center,
        )
        return *grads, None


def _constants(
    features: Tensor, geometry: Geometry
) -> tuple[tuple[int | float, ...], tuple[int, ...]]:
    """Return the constants in the extension's order, the last one apart."""
    constants = (
        *(geometry.kernel_size,) * 2,
        *(geometry.stride,) * 2,
        *(geometry.padding,) * 2,
        *(geometry.dilation,) * 2,
        geometry.groups,
        features.shape[-1] // geometry.groups,
        geometry.offset_scale,
        len(features),  # im2col_step must divide the batch size
    )
    if _knows_remove_center():
        return constants, (int(geometry.remove_center),)
    return constants, ()


def _knows_remove_center() -> bool:
    """Tell version 1.1 from 1.0, which the calls must distinguish."""
    try:
        return version('DCNv3') != '1.0'
    except PackageNotFoundError as error:
        raise RuntimeError(
            'dcnv3: a module DCNv3 can be imported, but no distribution of '
            'that name is installed, so its version is unknown; install it '
            'with pip'
        ) from error
