"""Where the taps of DCNv3's kernels are, and what weights they have.

Offsets, masks and gates are read where they were predicted: the numbers of a
row begin at ``position * STRIDE + group * GROUP``, so they may be columns of
one matrix product, whatever its width and order.
"""

from __future__ import annotations

import math
from typing import Any

import triton
import triton.language as tl

from .triton_points import high_half, low_half

__all__ = [
    'first_offset',
    'load_gate',
    'load_sums',
    'load_tap',
    'log2_of_sum',
]

# exponentials to base 2 are one instruction
LOG2_E: tl.constexpr = tl.constexpr(math.log2(math.e))


@triton.jit
def first_offset(
    position: tl.tensor,
    group: tl.tensor,
    OFFSET_STRIDE: tl.constexpr,
    OFFSET_GROUP: tl.constexpr,
    PACKED_OFFSET: tl.constexpr,
) -> Any:
    """Return the index of each row's first offset, in pairs if packed."""
    UNIT: tl.constexpr = 2 if PACKED_OFFSET else 1
    return position * (OFFSET_STRIDE // UNIT) + group * (OFFSET_GROUP // UNIT)


@triton.jit
def load_sums(
    mask_ptr: tl.tensor,
    masks: tl.tensor,
    row_mask: tl.tensor,
    TAPS: tl.constexpr,
    COMPUTE: tl.constexpr,
) -> Any:
    """Return what each row's exponentials are divided by.

    That is the logarithm to base 2 of the largest one, and the sum of all
    that were divided by it.
    """
    pointers = mask_ptr + masks
    largest = tl.load(pointers, mask=row_mask, other=0.0).to(COMPUTE)
    for tap in tl.static_range(1, TAPS):
        logit = tl.load(pointers + tap, mask=row_mask, other=0.0)
        largest = tl.maximum(largest, logit.to(COMPUTE))
    largest *= LOG2_E
    total = tl.zeros_like(largest)
    for tap in tl.static_range(TAPS):
        # the compiler makes one load of this and that above
        logit = tl.load(pointers + tap, mask=row_mask, other=0.0)
        total += tl.exp2(logit.to(COMPUTE) * LOG2_E - largest)
    return largest, total


@triton.jit
def log2_of_sum(total: tl.tensor) -> Any:
    """Return logarithms of normal numbers, in float32 to within 1e-6.

    Triton's has twice the instructions, for it covers all numbers.
    """
    if total.dtype == tl.float64:
        return tl.log2(total)
    else:
        # bits are a logarithm to within 0.043, a power series does the rest
        bits = total.to(tl.int32, bitcast=True)
        close = bits.to(tl.float32) * 2**-23 - 126.957
        rest = total * tl.exp2(-close) - 1
        series = rest * (LOG2_E / 3) - LOG2_E / 2
        return close + rest * (rest * series + LOG2_E)


@triton.jit
def load_gate(
    gate_ptr: tl.tensor,
    position: tl.tensor,
    group: tl.tensor,
    row_mask: tl.tensor,
    GATE_STRIDE: tl.constexpr,
    GATE_GROUP: tl.constexpr,
    COMPUTE: tl.constexpr,
) -> Any:
    """Return each row's share of its central pixel, and that of its taps."""
    pointers = gate_ptr + position * GATE_STRIDE + group * GATE_GROUP
    logit = tl.load(pointers, mask=row_mask, other=0.0).to(COMPUTE)
    return tl.sigmoid(logit), tl.sigmoid(-logit)


@triton.jit
def _load_offset(
    offset_ptr: tl.tensor,
    offsets: tl.tensor,
    tap: tl.tensor,
    row_mask: tl.tensor,
    PACKED: tl.constexpr,
    COMPUTE: tl.constexpr,
) -> Any:
    """Return x and y of an offset, by one load if they are aligned."""
    if PACKED and offset_ptr.dtype.element_ty == tl.bfloat16:
        words = tl.load(
            offset_ptr.to(tl.pointer_type(tl.int32)) + offsets + tap,
            mask=row_mask,
            other=0,
        )
        return low_half(words), high_half(words)
    elif PACKED:
        words = tl.load(
            offset_ptr.to(tl.pointer_type(tl.int64)) + offsets + tap,
            mask=row_mask,
            other=0,
        )
        return (
            words.to(tl.int32).to(tl.float32, bitcast=True),
            (words >> 32).to(tl.int32).to(tl.float32, bitcast=True),
        )
    else:
        pointers = offset_ptr + offsets + 2 * tap
        return (
            tl.load(pointers, mask=row_mask, other=0.0).to(COMPUTE),
            tl.load(pointers + 1, mask=row_mask, other=0.0).to(COMPUTE),
        )


@triton.jit
def load_tap(
    offset_ptr: tl.tensor,
    mask_ptr: tl.tensor,
    offsets: tl.tensor,
    masks: tl.tensor,
    row_mask: tl.tensor,
    log_sum: tl.tensor,
    center_x: tl.tensor,
    center_y: tl.tensor,
    column: tl.tensor,
    line: tl.tensor,
    KERNEL_SIZE: tl.constexpr,
    DILATION: tl.constexpr,
    OFFSET_SCALE: tl.constexpr,
    REMOVE_CENTER: tl.constexpr,
    PACKED_OFFSET: tl.constexpr,
    SOFTMAX: tl.constexpr,
    COMPUTE: tl.constexpr,
) -> Any:
    """Return number and existence of each row's tap, its x, y and weight.

    Every kernel walks over the columns of a DCNv3 kernel and their lines, with
    this as its step. With ``SOFTMAX`` weights are exponentials, divided by the
    number of which ``log_sum`` is the logarithm to base 2.
    """
    half: tl.constexpr = DILATION * (KERNEL_SIZE - 1) // 2
    tap = column * KERNEL_SIZE + line
    exists = row_mask
    if REMOVE_CENTER:
        CENTER: tl.constexpr = KERNEL_SIZE * KERNEL_SIZE // 2
        exists = row_mask & (tap != CENTER)
        tap -= tap // (CENTER + 1)
    offset_x, offset_y = _load_offset(
        offset_ptr, offsets, tap, exists, PACKED_OFFSET, COMPUTE
    )
    weight = tl.load(mask_ptr + masks + tap, mask=exists, other=0.0)
    weight = weight.to(COMPUTE)
    if SOFTMAX:
        weight = tl.exp2(weight * LOG2_E - log_sum)
        if REMOVE_CENTER:
            weight = tl.where(exists, weight, 0.0)
    column_x = center_x + OFFSET_SCALE * (column * DILATION - half)
    line_y = center_y + OFFSET_SCALE * (line * DILATION - half)
    return (
        tap,
        exists,
        column_x + OFFSET_SCALE * offset_x,
        line_y + OFFSET_SCALE * offset_y,
        weight,
    )
