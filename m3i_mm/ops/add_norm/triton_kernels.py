"""Triton kernels of residual addition and layer normalisation.

A program owns whole rows of C values, so that mean and variance come from
registers: the forward pass stores none of them and the backward pass computes
them again. Sums over rows, the gradients of the parameters, are kept by each
program for its rows and written as one row of a table, whose sum over the
programs has a fixed order.

Names end as in :mod:`.function`: ``sum = x + keep * scale * N(branch)``,
``out = N(sum)``; capital flags say which parts there are.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

__all__ = ['backward_kernel', 'forward_kernel']


@triton.jit
def _load_row(
    pointer: tl.tensor,
    index: tl.tensor,
    mask: tl.tensor,
    COMPUTE: tl.constexpr,
) -> Any:
    return tl.load(pointer + index, mask=mask, other=0.0).to(COMPUTE)


@triton.jit
def _standardise(
    x: tl.tensor, mask: tl.tensor, eps: tl.tensor, CHANNELS: tl.constexpr
) -> Any:
    """Return (x - mean) / deviation, and 1 / deviation, of each row."""
    mean = tl.sum(x, axis=1) / CHANNELS
    centred = tl.where(mask, x - mean[:, None], 0.0)
    variance = tl.sum(centred * centred, axis=1) / CHANNELS
    inverse = 1 / tl.sqrt(variance + eps)
    return centred * inverse[:, None], inverse


@triton.jit
def _standardise_backward(
    grad: tl.tensor,
    standard: tl.tensor,
    inverse: tl.tensor,
    CHANNELS: tl.constexpr,
) -> Any:
    """Return the gradient of x from that of ``standard``."""
    mean = tl.sum(grad, axis=1) / CHANNELS
    slope = tl.sum(grad * standard, axis=1) / CHANNELS
    return inverse[:, None] * (
        grad - mean[:, None] - standard * slope[:, None]
    )


@triton.jit
def _gelu(x: tl.tensor) -> Any:
    return 0.5 * x * (1 + tl.math.erf(x * 0.7071067811865476))


@triton.jit
def _gelu_slope(x: tl.tensor) -> Any:
    density = 0.3989422804014327 * tl.exp(-0.5 * x * x)
    return 0.5 * (1 + tl.math.erf(x * 0.7071067811865476)) + x * density


@triton.jit
def forward_kernel(
    x_ptr: tl.tensor,
    branch_ptr: tl.tensor,
    branch_weight_ptr: tl.tensor,
    branch_bias_ptr: tl.tensor,
    scale_ptr: tl.tensor,
    keep_ptr: tl.tensor,
    weight_ptr: tl.tensor,
    bias_ptr: tl.tensor,
    sum_ptr: tl.tensor,
    out_ptr: tl.tensor,
    row_count: tl.tensor,
    rows_per_sample: tl.tensor,
    branch_eps: tl.tensor,
    eps: tl.tensor,
    CHANNELS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    COMPUTE: tl.constexpr,
    WIDE_INDEX: tl.constexpr,
    BRANCH: tl.constexpr,
    BRANCH_NORM: tl.constexpr,
    SCALE: tl.constexpr,
    KEEP: tl.constexpr,
    NORM: tl.constexpr,
    OUT: tl.constexpr,
    GELU: tl.constexpr,
) -> None:
    """Write sum and output of ``BLOCK_ROWS`` rows."""
    program = tl.program_id(0)
    if WIDE_INDEX:
        program = program.to(tl.int64)
    rows = program * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    channels = tl.arange(0, BLOCK_CHANNELS)
    channel_mask = channels < CHANNELS
    row_mask = rows < row_count
    mask = row_mask[:, None] & channel_mask[None, :]
    index = rows[:, None] * CHANNELS + channels[None, :]
    x = _load_row(x_ptr, index, mask, COMPUTE)
    if BRANCH:
        branch = _load_row(branch_ptr, index, mask, COMPUTE)
        if BRANCH_NORM:
            branch, _ = _standardise(branch, mask, branch_eps, CHANNELS)
            weight = _load_row(
                branch_weight_ptr, channels, channel_mask, COMPUTE
            )
            bias = _load_row(branch_bias_ptr, channels, channel_mask, COMPUTE)
            branch = branch * weight[None, :] + bias[None, :]
        if SCALE:
            scale = _load_row(scale_ptr, channels, channel_mask, COMPUTE)
            branch *= scale[None, :]
        if KEEP:
            keep = _load_row(
                keep_ptr, rows // rows_per_sample, row_mask, COMPUTE
            )
            branch *= keep[:, None]
        # what follows sees the sum as it is stored
        x = (x + branch).to(sum_ptr.dtype.element_ty)
        tl.store(sum_ptr + index, x, mask=mask)
        x = x.to(COMPUTE)
    if NORM:
        x, _ = _standardise(x, mask, eps, CHANNELS)
        weight = _load_row(weight_ptr, channels, channel_mask, COMPUTE)
        bias = _load_row(bias_ptr, channels, channel_mask, COMPUTE)
        x = x * weight[None, :] + bias[None, :]
    if GELU:
        x = _gelu(x)
    if OUT:
        tl.store(out_ptr + index, x, mask=mask)


@triton.jit
def backward_kernel(
    sum_ptr: tl.tensor,
    branch_ptr: tl.tensor,
    branch_weight_ptr: tl.tensor,
    branch_bias_ptr: tl.tensor,
    scale_ptr: tl.tensor,
    keep_ptr: tl.tensor,
    weight_ptr: tl.tensor,
    bias_ptr: tl.tensor,
    grad_sum_ptr: tl.tensor,
    grad_out_ptr: tl.tensor,
    grad_x_ptr: tl.tensor,
    grad_branch_ptr: tl.tensor,
    table_ptr: tl.tensor,
    row_count: tl.tensor,
    rows_per_sample: tl.tensor,
    branch_eps: tl.tensor,
    eps: tl.tensor,
    CHANNELS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    COMPUTE: tl.constexpr,
    WIDE_INDEX: tl.constexpr,
    BRANCH: tl.constexpr,
    BRANCH_NORM: tl.constexpr,
    SCALE: tl.constexpr,
    KEEP: tl.constexpr,
    NORM: tl.constexpr,
    OUT: tl.constexpr,
    GELU: tl.constexpr,
    GRAD_SUM: tl.constexpr,
    SUMS: tl.constexpr,
) -> None:
    """Write gradients of x and branch, and a program's sums over its rows.

    A row of the table holds ``SUMS`` gradients: as far as they exist, those of
    weight, bias, scale, branch weight and branch bias.
    """
    program = tl.program_id(0)
    channels = tl.arange(0, BLOCK_CHANNELS)
    channel_mask = channels < CHANNELS
    grad_weight = tl.zeros((BLOCK_ROWS, BLOCK_CHANNELS), dtype=COMPUTE)
    grad_bias = tl.zeros((BLOCK_ROWS, BLOCK_CHANNELS), dtype=COMPUTE)
    grad_scale = tl.zeros((BLOCK_ROWS, BLOCK_CHANNELS), dtype=COMPUTE)
    grad_branch_weight = tl.zeros((BLOCK_ROWS, BLOCK_CHANNELS), dtype=COMPUTE)
    grad_branch_bias = tl.zeros((BLOCK_ROWS, BLOCK_CHANNELS), dtype=COMPUTE)
    if NORM:
        weight = _load_row(weight_ptr, channels, channel_mask, COMPUTE)
        bias = _load_row(bias_ptr, channels, channel_mask, COMPUTE)
    if BRANCH_NORM:
        branch_weight = _load_row(
            branch_weight_ptr, channels, channel_mask, COMPUTE
        )
        branch_bias = _load_row(
            branch_bias_ptr, channels, channel_mask, COMPUTE
        )
    if SCALE:
        scale = _load_row(scale_ptr, channels, channel_mask, COMPUTE)
    for start in range(
        program * BLOCK_ROWS, row_count, tl.num_programs(0) * BLOCK_ROWS
    ):
        rows = start + tl.arange(0, BLOCK_ROWS)
        row_mask = rows < row_count
        if WIDE_INDEX:
            rows = rows.to(tl.int64)
        mask = row_mask[:, None] & channel_mask[None, :]
        index = rows[:, None] * CHANNELS + channels[None, :]
        grad = tl.zeros((BLOCK_ROWS, BLOCK_CHANNELS), dtype=COMPUTE)
        if GRAD_SUM:
            grad += _load_row(grad_sum_ptr, index, mask, COMPUTE)
        if OUT:
            grad_out = _load_row(grad_out_ptr, index, mask, COMPUTE)
            if NORM:
                x = _load_row(sum_ptr, index, mask, COMPUTE)
                x, inverse = _standardise(x, mask, eps, CHANNELS)
                if GELU:
                    grad_out *= _gelu_slope(
                        x * weight[None, :] + bias[None, :]
                    )
                grad_weight += grad_out * x
                grad_bias += grad_out
                grad_out = _standardise_backward(
                    grad_out * weight[None, :], x, inverse, CHANNELS
                )
            grad += grad_out
            tl.store(grad_x_ptr + index, grad, mask=mask)
        if BRANCH:
            if KEEP:
                keep = _load_row(
                    keep_ptr, rows // rows_per_sample, row_mask, COMPUTE
                )
                grad *= keep[:, None]
            if BRANCH_NORM:
                branch = _load_row(branch_ptr, index, mask, COMPUTE)
                branch, inverse = _standardise(
                    branch, mask, branch_eps, CHANNELS
                )
                if SCALE:
                    grad_scale += grad * (
                        branch * branch_weight[None, :] + branch_bias[None, :]
                    )
                    grad *= scale[None, :]
                grad_branch_weight += grad * branch
                grad_branch_bias += grad
                grad = _standardise_backward(
                    grad * branch_weight[None, :], branch, inverse, CHANNELS
                )
            elif SCALE:
                grad_scale += grad * _load_row(
                    branch_ptr, index, mask, COMPUTE
                )
                grad *= scale[None, :]
            tl.store(grad_branch_ptr + index, grad, mask=mask)
    if SUMS:
        row = table_ptr + program * SUMS * CHANNELS + channels
        if NORM:
            tl.store(row, tl.sum(grad_weight, axis=0), mask=channel_mask)
            row += CHANNELS
            tl.store(row, tl.sum(grad_bias, axis=0), mask=channel_mask)
            row += CHANNELS
        if SCALE:
            tl.store(row, tl.sum(grad_scale, axis=0), mask=channel_mask)
            row += CHANNELS
        if BRANCH_NORM:
            tl.store(
                row, tl.sum(grad_branch_weight, axis=0), mask=channel_mask
            )
            row += CHANNELS
            tl.store(row, tl.sum(grad_branch_bias, axis=0), mask=channel_mask)
