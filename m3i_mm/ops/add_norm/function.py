"""The public functions, and what they compute in plain PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from m3i_mm.ops.triton_launch import unavailable_reason

from . import triton_backend
from .norms import Norm

__all__ = ['add_norm', 'layer_norm']

BACKENDS = ('auto', 'triton')


def add_norm(
    x: Tensor,
    branch: Tensor | None = None,
    branch_norm: Norm | None = None,
    scale: Tensor | None = None,
    keep: Tensor | None = None,
    norm: Norm | None = None,
    dtype: torch.dtype | None = None,
    backend: str = 'auto',
) -> tuple[Tensor, Tensor]:
    """Add a residual branch and normalise the sum.

    ::

        sum = x + keep * scale * branch_norm(branch)
        out = norm(sum), rounded to dtype

    What is not given is left out. On a GPU with Triton all of it reads and
    writes each tensor once, forward and backward; elsewhere, and where
    ``torch.compile`` fuses by itself, it is a row of PyTorch's operators. The
    arithmetic of the fused kernels is in float32 (float64 for float64), and
    they are deterministic.

    Args:
        x (Tensor): Residual stream (B, ..., C).
        branch (Tensor, optional): What is added, of the same shape. Its dtype
            may be another one.
        branch_norm (Norm, optional): Normalises the branch.
        scale (Tensor, optional): Layer scale (C,).
        keep (Tensor, optional): Factor of each sample (B,), of drop path.
        norm (Norm, optional): Normalises the sum.
        dtype (torch.dtype, optional): Of ``out``. Defaults to that of the
            sum.
        backend (str): Backend of the network; all but ``'auto'`` and
            ``'triton'`` are computed by PyTorch's operators.

    Returns:
        tuple[Tensor, Tensor]: Sum and output, both (B, ..., C).

    Examples:
        >>> x, branch = torch.randn(2, 2, 7, 7, 64)
        >>> norm = Norm(torch.ones(64), torch.zeros(64), 1e-6)
        >>> total, out = add_norm(x, branch, norm=norm)
        >>> torch.equal(total, x + branch)
        True
    """
    if _is_fused(x, backend):
        return triton_backend.add_norm(
            x, branch, branch_norm, scale, keep, norm, dtype
        )
    if branch is not None:
        if branch_norm is not None:
            branch = _normalise(branch, branch_norm)
        if scale is not None:
            branch = scale * branch
        if keep is not None:
            branch = keep.view(-1, *(1,) * (x.ndim - 1)) * branch
        x = x + branch
    out = x if norm is None else _normalise(x, norm)
    return x, out if dtype is None else out.to(dtype)


def layer_norm(
    x: Tensor,
    norm: Norm,
    gelu: bool = False,
    dtype: torch.dtype | None = None,
    backend: str = 'auto',
) -> Tensor:
    """Normalise over the last dimension, and apply a GELU if asked.

    Args:
        x (Tensor): (B, ..., C).
        norm (Norm): The normalisation.
        gelu (bool): Whether the exact GELU follows.
        dtype (torch.dtype, optional): Of the output. Defaults to that of
            ``torch.nn.functional.layer_norm``.
        backend (str): See :func:`add_norm`.

    Returns:
        Tensor: (B, ..., C).
    """
    if _is_fused(x, backend):
        return triton_backend.layer_norm(x, norm, gelu, dtype)
    out = _normalise(x, norm)
    out = F.gelu(out) if gelu else out
    return out if dtype is None else out.to(dtype)


def _normalise(x: Tensor, norm: Norm) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)


def _is_fused(x: Tensor, backend: str) -> bool:
    """Whether the kernels run; compilers and functorch see operators."""
    return (
        backend in BACKENDS
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and not torch._C._are_functorch_transforms_active()
        and unavailable_reason(x.device) is None
        and x.numel() > 0
    )
