"""The backward kernel of DCNv3; see :mod:`.triton_kernels`."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from .triton_points import find_pixel, load_tap, locate_rows

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
    grad_output_ptr: tl.tensor,
    grad_input_ptr: tl.tensor,
    grad_offset_ptr: tl.tensor,
    grad_mask_ptr: tl.tensor,
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
    TAPS: tl.constexpr,
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

    The latter only if they are asked for.
    """
    BLOCK_ROWS: tl.constexpr = max(1, TILE // BLOCK_CHANNELS)
    PIXEL: tl.constexpr = GROUPS * GROUP_CHANNELS
    PARTS: tl.constexpr = 2 if BLOCK_CHANNELS >= 16 else 1
    PART: tl.constexpr = BLOCK_CHANNELS // PARTS
    rows, row_mask, center_x, center_y, start = locate_rows(
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
    half: tl.constexpr = DILATION * (KERNEL_SIZE - 1) // 2
    for column in range(KERNEL_SIZE):
        column_x = center_x + OFFSET_SCALE * (column * DILATION - half)
        for line in range(KERNEL_SIZE):
            line_y = center_y + OFFSET_SCALE * (line * DILATION - half)
            tap, exists, offset_x, offset_y, weight = load_tap(
                offset_ptr,
                mask_ptr,
                rows,
                row_mask,
                column * KERNEL_SIZE + line,
                REMOVE_CENTER,
                TAPS,
                PACKED_OFFSET,
                COMPUTE,
            )
            x = column_x + OFFSET_SCALE * offset_x
            y = line_y + OFFSET_SCALE * offset_y
            # NaN where a location is not finite, so that a divergence shows
            unknown_x, unknown_y = x - x, y - y
            # a point on the outermost line has no slope
            counts = (x > -1) & (y > -1) & exists
            x, fraction_x, left, right = find_pixel(x, width)
            y, fraction_y, top, bottom = find_pixel(y, height)
            fraction_x += unknown_x
            fraction_y += unknown_y
            top = top & counts
            bottom = bottom & counts
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
                tl.store(grad_mask_ptr + tap, sampled, mask=exists)
                pointers = grad_offset_ptr + 2 * tap
                tl.store(pointers, OFFSET_SCALE * slope_x, mask=exists)
                tl.store(pointers + 1, OFFSET_SCALE * slope_y, mask=exists)
