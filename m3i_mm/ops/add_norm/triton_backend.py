"""Residual addition and normalisation by one Triton kernel a direction."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from m3i_mm.ops.triton_launch import launch, needs_wide_index

from .norms import Norm

__all__ = ['add_norm', 'layer_norm']

# Values per program of the forward kernel and in a step of the backward one.
_TILE = 1024
# Programs of the backward kernel, each of which writes sums over its rows:
# enough to fill a card, few enough that their table is small.
_MAX_PROGRAMS = 512
_MIN_STEPS = 4

_NO_NORM = Norm(None, None, 0.0)  # type: ignore[arg-type]


def add_norm(
    x: Tensor,
    branch: Tensor | None,
    branch_norm: Norm | None,
    scale: Tensor | None,
    keep: Tensor | None,
    norm: Norm | None,
    dtype: torch.dtype | None,
) -> tuple[Tensor, Tensor]:
    """Compute :func:`m3i_mm.ops.add_norm.add_norm` by the kernels."""
    kept = x.dtype if branch is None else _sum_dtype(x, branch)
    dtype = dtype or kept
    if norm is None and dtype == kept:
        if branch is None:
            return x, x
        total, _ = _apply(x, branch, branch_norm, scale, keep, None, None)
        return total, total
    return _apply(x, branch, branch_norm, scale, keep, norm, dtype)


def layer_norm(
    x: Tensor, norm: Norm, gelu: bool, dtype: torch.dtype | None
) -> Tensor:
    """Compute :func:`m3i_mm.ops.add_norm.layer_norm` by the kernels."""
    dtype = dtype or torch.promote_types(x.dtype, norm.weight.dtype)
    return _apply(x, None, None, None, None, norm, dtype, gelu)[1]


def _apply(
    x: Tensor,
    branch: Tensor | None,
    branch_norm: Norm | None,
    scale: Tensor | None,
    keep: Tensor | None,
    norm: Norm | None,
    dtype: torch.dtype | None,
    gelu: bool = False,
) -> tuple[Tensor, Tensor]:
    branch_weight, branch_bias, branch_eps = branch_norm or _NO_NORM
    weight, bias, eps = norm or _NO_NORM
    return _AddNorm.apply(
        x.contiguous(),
        None if branch is None else branch.contiguous(),
        branch_weight,
        branch_bias,
        scale,
        None if keep is None else keep.reshape(-1),
        weight,
        bias,
        branch_eps,
        eps,
        dtype,
        gelu,
    )


class _AddNorm(torch.autograd.Function):
    """Sum and output of x, branch and their parameters; see the kernels."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, branch: Tensor | None, *others: Any
    ) -> tuple[Tensor, Tensor | None]:
        *parameters, branch_eps, eps, dtype, gelu = others
        branch_weight, _, scale, keep, weight, _ = parameters
        flags = dict(
            BRANCH=branch is not None,
            BRANCH_NORM=branch_weight is not None,
            SCALE=scale is not None,
            KEEP=keep is not None,
            NORM=weight is not None,
            GELU=gelu,
        )
        total = x
        if branch is not None:
            total = torch.empty_like(x, dtype=_sum_dtype(x, branch))
        out = None if dtype is None else torch.empty_like(x, dtype=dtype)
        rows, constants = _constants(x, flags)
        launch(
            _kernels().forward_kernel,
            _cdiv(rows, constants['BLOCK_ROWS']),
            (
                x,
                branch,
                *parameters,
                None if branch is None else total,
                out,
            ),
            rows,
            rows // len(x),
            branch_eps,
            eps,
            OUT=out is not None,
            **constants,
        )
        # what the gradients need: the sum for its norm, the branch for its
        # norm and its scale
        ctx.save_for_backward(
            total if flags['NORM'] else None,
            branch if flags['BRANCH_NORM'] or flags['SCALE'] else None,
            *parameters,
        )
        ctx.flags, ctx.eps = flags, (branch_eps, eps)
        ctx.dtypes = x.dtype, None if branch is None else branch.dtype
        ctx.set_materialize_grads(False)
        return total, out

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_sum: Tensor | None, grad_out: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        return (*_gradients(ctx, grad_sum, grad_out), None, None, None, None)


def _gradients(
    ctx: Any, grad_sum: Tensor | None, grad_out: Tensor | None
) -> tuple[Tensor | None, ...]:
    """Return the gradients of x, branch and the six parameters."""
    flags, (x_dtype, branch_dtype) = dict(ctx.flags), ctx.dtypes
    given = grad_sum if grad_out is None else grad_out
    if given is None:
        return (None,) * 8
    if grad_out is None:
        flags.update(NORM=False, GELU=False)
        grad_x = given.to(x_dtype)
        if branch_dtype is None:
            return (grad_x, *(None,) * 7)
    else:
        grad_x = torch.empty_like(
            given, dtype=x_dtype, memory_format=torch.contiguous_format
        )
    grad_branch = None
    if branch_dtype is not None:
        grad_branch = torch.empty_like(
            given, dtype=branch_dtype, memory_format=torch.contiguous_format
        )
    total, branch, *parameters = ctx.saved_tensors
    rows, constants = _constants(given, flags)
    steps = _cdiv(rows, constants['BLOCK_ROWS'])
    programs = min(_MAX_PROGRAMS, _cdiv(steps, _MIN_STEPS))
    sums = 2 * flags['NORM'] + flags['SCALE'] + 2 * flags['BRANCH_NORM']
    table = None
    if sums:
        table = torch.empty(
            programs,
            sums,
            given.shape[-1],
            dtype=torch.promote_types(given.dtype, torch.float32),
            device=given.device,
        )
    launch(
        _kernels().backward_kernel,
        programs,
        (
            total,
            branch,
            *parameters,
            None if grad_sum is None else grad_sum.contiguous(),
            None if grad_out is None else grad_out.contiguous(),
            None if grad_out is None else grad_x,
            grad_branch,
            table,
        ),
        rows,
        rows // len(given),
        *ctx.eps,
        OUT=grad_out is not None,
        GRAD_SUM=grad_sum is not None,
        SUMS=sums,
        **constants,
    )
    return grad_x, grad_branch, *_of_parameters(table, parameters, flags)


def _of_parameters(
    table: Tensor | None,
    parameters: list[Tensor | None],
    flags: dict[str, bool],
) -> tuple[Tensor | None, ...]:
    """Sum the table over programs and name its rows."""
    branch_weight, branch_bias, scale, _, weight, bias = parameters
    rows = iter(()) if table is None else iter(table.sum(0))

    def take(parameter: Tensor | None, exists: bool) -> Tensor | None:
        if parameter is None or not exists:
            return None
        return next(rows).to(parameter.dtype)

    # in the order of the table
    of_weight = take(weight, flags['NORM'])
    of_bias = take(bias, flags['NORM'])
    of_scale = take(scale, True)
    of_branch_weight = take(branch_weight, True)
    of_branch_bias = take(branch_bias, True)
    return of_branch_weight, of_branch_bias, of_scale, None, of_weight, of_bias


def _sum_dtype(x: Tensor, branch: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, branch.dtype)


def _constants(
    x: Tensor, flags: dict[str, bool]
) -> tuple[int, dict[str, Any]]:
    """Return the number of rows and what both kernels are compiled for."""
    kernels = _kernels()
    channels = x.shape[-1]
    block_channels = kernels.triton.next_power_of_2(channels)
    block_rows = max(1, _TILE // block_channels)
    is_double = x.dtype == torch.float64
    return x.numel() // channels, dict(
        CHANNELS=channels,
        BLOCK_CHANNELS=block_channels,
        BLOCK_ROWS=block_rows,
        COMPUTE=kernels.tl.float64 if is_double else kernels.tl.float32,
        WIDE_INDEX=needs_wide_index(x),
        num_warps=min(16, max(4, block_channels * block_rows // 512)),
        **flags,
    )


def _cdiv(a: int, b: int) -> int:
    return -(-a // b)


def _kernels() -> ModuleType:
    from . import triton_kernels

    return triton_kernels
