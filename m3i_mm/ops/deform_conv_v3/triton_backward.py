"""The backward kernel of DCNv3; see :mod:`.triton_kernels`."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from .triton_points import central_pixel, find_slopes, locate_rows
from .triton_taps import first_offset, load_gate, load_tap

__all__ = ['backward_kernel']


@triton.jit
def _load(
    pointers: tl.tensor,
    row_mask: tl.tensor,
    channel_mask: tl.tensor,
    COMPUTE: tl.constexpr,
) -> Any:
    """Load (BLOCK_ROWS, BLOCK_CHANNELS) values, zero where masked."""
    mask = row_mask[:, None] & channel_mask
    return tl.load(pointers, mask=mask, other=0.0).to(COMPUTE)


@triton.jit
def _backward_pixel(
    input_ptr: tl.tensor,
    grad_input_ptr: tl.tensor,
    index: tl.tensor,
    inside: tl.tensor,
    first_mask: tl.tensor,
    second_mask: tl.tensor,
    first: tl.tensor,
    second: tl.tensor,
    weight: tl.tensor,
    PART: tl.constexpr,
    PARTS: tl.constexpr,
    WHOLE: tl.constexpr,
) -> Any:
    """Add weight * grad to one pixel's gradient, return <grad, pixel>.

    First and second are the parts of grad that a thread has of a row.
    """
    mask = inside[:, None]
    if not WHOLE:
        mask = mask & first_mask
    product = first * tl.load(input_ptr + index, mask=mask, other=0.0).to(
        first.dtype
    )
    tl.atomic_add(
        grad_input_ptr + index, weight[:, None] * first, mask, sem='relaxed'
    )
    if PARTS == 2:
        mask = inside[:, None]
        if not WHOLE:
            mask = mask & second_mask
        index += PART
        product += second * tl.load(
            input_ptr + index, mask=mask, other=0.0
        ).to(first.dtype)
        tl.atomic_add(
            grad_input_ptr + index,
            weight[:, None] * second,
            mask,
            sem='relaxed',
        )
    return tl.sum(product, axis=1)


@triton.jit(do_not_specialize=['height', 'width', 'out_height', 'out_width'])
def backward_kernel(
    input_ptr: tl.tensor,
    offset_ptr: tl.tensor,
    mask_ptr: tl.tensor,
    gate_ptr: tl.tensor,
    log_sum_ptr: tl.tensor,
    output_ptr: tl.tensor,
    grad_output_ptr: tl.tensor,
    grad_input_ptr: tl.tensor,
    grad_offset_ptr: tl.tensor,
    grad_mask_ptr: tl.tensor,
    grad_gate_ptr: tl.tensor,
    row_count: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    out_height: tl.tensor,
    out_width: tl.tensor,
    KERNEL_SIZE: tl.constexpr,
    STRIDE: tl.constexpr,
    DILATION: tl.constexpr,
    ORIGIN: tl.constexpr,
    OFFSET_SCALE: tl.constexpr,
    REMOVE_CENTER: tl.constexpr,
    OFFSET_STRIDE: tl.constexpr,
    OFFSET_GROUP: tl.constexpr,
    MASK_STRIDE: tl.constexpr,
    MASK_GROUP: tl.constexpr,
    GATE_STRIDE: tl.constexpr,
    GATE_GROUP: tl.constexpr,
    SOFTMAX: tl.constexpr,
    GROUPS: tl.constexpr,
    GROUP_CHANNELS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
    WIDE_INDEX: tl.constexpr,
    COMPUTE: tl.constexpr,
    TILE: tl.constexpr,
    POINTS_GRADIENT: tl.constexpr,
    PACKED_OFFSET: tl.constexpr,
) -> None:
    """Add the rows' gradient of the input, write those of offset and mask.

    The latter only if they are asked for. With a softmax and a gate they are
    as in :func:`.points_kernel`.
    """
    BLOCK_ROWS: tl.constexpr = max(1, TILE // BLOCK_CHANNELS)
    PIXEL: tl.constexpr = GROUPS * GROUP_CHANNELS
    PARTS: tl.constexpr = 2 if BLOCK_CHANNELS >= 16 else 1
    PART: tl.constexpr = BLOCK_CHANNELS // PARTS
    rows, position, group, row_mask, center_x, center_y, start = locate_rows(
        row_count,
        height,
        width,
        out_height,
        out_width,
        STRIDE,
        ORIGIN,
        GROUPS,
        GROUP_CHANNELS,
        BLOCK_ROWS,
        WIDE_INDEX,
        COMPUTE,
    )
    channels = tl.arange(0, PART)[None, :]
    first_mask = channels < GROUP_CHANNELS
    second_mask = channels + PART < GROUP_CHANNELS
    grads = grad_output_ptr + rows[:, None] * GROUP_CHANNELS + channels
    first = _load(grads, row_mask, first_mask, COMPUTE)
    second = first
    if PARTS == 2:
        second = _load(grads + PART, row_mask, second_mask, COMPUTE)
    offsets = first_offset(
        position, group, OFFSET_STRIDE, OFFSET_GROUP, PACKED_OFFSET
    )
    masks = position * MASK_STRIDE + group * MASK_GROUP
    log_sum = center_x
    if SOFTMAX:
        log_sum = tl.load(log_sum_ptr + rows, mask=row_mask, other=0.0)
    expected = center_x
    if SOFTMAX or gate_ptr is not None:
        outputs = output_ptr + rows[:, None] * GROUP_CHANNELS + channels
        product = first * _load(outputs, row_mask, first_mask, COMPUTE)
        if PARTS == 2:
            product += second * _load(
                outputs + PART, row_mask, second_mask, COMPUTE
            )
        expected = tl.sum(product, axis=1)
    if gate_ptr is not None:
        share, rest = load_gate(
            gate_ptr,
            position,
            group,
            row_mask,
            GATE_STRIDE,
            GATE_GROUP,
            COMPUTE,
        )
        center = start + central_pixel(rows, center_x, center_y, width) * PIXEL
        value = _backward_pixel(
            input_ptr,
            grad_input_ptr,
            center[:, None] + channels,
            row_mask,
            first_mask,
            second_mask,
            first,
            second,
            share,
            PART,
            PARTS,
            GROUP_CHANNELS == BLOCK_CHANNELS,
        )
        if POINTS_GRADIENT:
            tl.store(
                grad_gate_ptr + position * GATE_STRIDE + group * GATE_GROUP,
                share * (value - expected),
                mask=row_mask,
            )
        # what is left of output and gradient belongs to the taps
        expected -= share * value
        first *= rest[:, None]
        second *= rest[:, None]
    for column in range(KERNEL_SIZE):
        for line in range(KERNEL_SIZE):
            tap, exists, x, y, weight = load_tap(
                offset_ptr,
                mask_ptr,
                offsets,
                masks,
                row_mask,
                log_sum,
                center_x,
                center_y,
                column,
                line,
                KERNEL_SIZE,
                DILATION,
                OFFSET_SCALE,
                REMOVE_CENTER,
                PACKED_OFFSET,
                SOFTMAX,
                COMPUTE,
            )
            x, fraction_x, left, right, y, fraction_y, top, bottom = (
                find_slopes(x, y, exists, width, height)
            )
            weight_below = weight * fraction_y
            weight_above = weight - weight_below
            pixel = start + (y.to(rows.dtype) * width + x) * PIXEL
            above = pixel[:, None] + channels
            below = above + width * PIXEL
            above_left = _backward_pixel(
                input_ptr,
                grad_input_ptr,
                above,
                top & left,
                first_mask,
                second_mask,
                first,
                second,
                weight_above - weight_above * fraction_x,
                PART,
                PARTS,
                GROUP_CHANNELS == BLOCK_CHANNELS,
            )
            above_right = _backward_pixel(
                input_ptr,
                grad_input_ptr,
                above + PIXEL,
                top & right,
                first_mask,
                second_mask,
                first,
                second,
                weight_above * fraction_x,
                PART,
                PARTS,
                GROUP_CHANNELS == BLOCK_CHANNELS,
            )
            below_left = _backward_pixel(
                input_ptr,
                grad_input_ptr,
                below,
                bottom & left,
                first_mask,
                second_mask,
                first,
                second,
                weight_below - weight_below * fraction_x,
                PART,
                PARTS,
                GROUP_CHANNELS == BLOCK_CHANNELS,
            )
            below_right = _backward_pixel(
                input_ptr,
                grad_input_ptr,
                below + PIXEL,
                bottom & right,
                first_mask,
                second_mask,
                first,
                second,
                weight_below * fraction_x,
                PART,
                PARTS,
                GROUP_CHANNELS == BLOCK_CHANNELS,
            )
            if POINTS_GRADIENT:
                rise_above = above_right - above_left
                rise_below = below_right - below_left
                line_above = above_left + fraction_x * rise_above
                line_below = below_left + fraction_x * rise_below
                slope_x = weight_above * rise_above + weight_below * rise_below
                slope_y = weight * (line_below - line_above)
                sampled = line_above + fraction_y * (line_below - line_above)
                if SOFTMAX:
                    sampled = weight * (sampled - expected)
                tl.store(grad_mask_ptr + masks + tap, sampled, mask=exists)
                UNIT: tl.constexpr = 2 if PACKED_OFFSET else 1
                pointers = grad_offset_ptr + UNIT * offsets + 2 * tap
                tl.store(pointers, OFFSET_SCALE * slope_x, mask=exists)
                tl.store(pointers + 1, OFFSET_SCALE * slope_y, mask=exists)
