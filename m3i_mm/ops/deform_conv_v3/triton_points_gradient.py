"""The gradients of DCNv3's offset and mask: sums over a group's channels."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from .triton_points import (
    central_pixel,
    find_slopes,
    high_half,
    locate_rows,
    low_half,
    pack_halves,
)
from .triton_taps import first_offset, load_gate, load_tap

__all__ = ['points_kernel']


@triton.jit
def _load_words(
    pointers: tl.tensor,
    row_mask: tl.tensor,
    channel_mask: tl.tensor,
    WHOLE: tl.constexpr,
) -> Any:
    mask = row_mask[:, None]
    if not WHOLE:
        mask = mask & channel_mask
    return tl.load(pointers, mask=mask, other=0)


@triton.jit
def _split(
    words: tl.tensor, PACKED: tl.constexpr, COMPUTE: tl.constexpr
) -> Any:
    """Return even and odd channels; if not packed, all and anything."""
    if PACKED:
        return low_half(words), high_half(words)
    else:
        return words.to(COMPUTE), words.to(COMPUTE)


@triton.jit
def _multiply(
    pointers: tl.tensor,
    inside: tl.tensor,
    first_mask: tl.tensor,
    second_mask: tl.tensor,
    first_even: tl.tensor,
    first_odd: tl.tensor,
    second_even: tl.tensor,
    second_odd: tl.tensor,
    PART: tl.constexpr,
    PARTS: tl.constexpr,
    WHOLE: tl.constexpr,
    PACKED: tl.constexpr,
) -> Any:
    """Return the scalar product of each row's gradient with a pixel."""
    words = _load_words(pointers, inside, first_mask, WHOLE)
    even, odd = _split(words, PACKED, first_even.dtype)
    product = first_even * even
    if PACKED:
        product += first_odd * odd
    if PARTS == 2:
        words = _load_words(pointers + PART, inside, second_mask, WHOLE)
        even, odd = _split(words, PACKED, first_even.dtype)
        product += second_even * even
        if PACKED:
            product += second_odd * odd
    return tl.sum(product, axis=1)


@triton.jit(do_not_specialize=['height', 'width', 'out_height', 'out_width'])
def points_kernel(
    input_ptr: tl.tensor,
    offset_ptr: tl.tensor,
    mask_ptr: tl.tensor,
    gate_ptr: tl.tensor,
    log_sum_ptr: tl.tensor,
    output_ptr: tl.tensor,
    grad_output_ptr: tl.tensor,
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
    TILE_LINES: tl.constexpr,
    TILE_COLUMNS: tl.constexpr,
    PACKED: tl.constexpr,
    PACKED_OFFSET: tl.constexpr,
) -> None:
    """Write the gradients of ``max(1, TILE // BLOCK_CHANNELS)`` rows.

    Words are those of :func:`.forward_kernel`. With a softmax, the gradient
    of a logit is ``weight * (value - sum of weight * value)``, where a value
    is the product of a tap's sample and the gradient of the output. So the sum
    is that of the output and its gradient. A gate is one more logit, whose
    sample is the central pixel.
    """
    BLOCK_ROWS: tl.constexpr = max(1, TILE // BLOCK_CHANNELS)
    PACK: tl.constexpr = 2 if PACKED else 1
    WORDS: tl.constexpr = GROUP_CHANNELS // PACK
    PARTS: tl.constexpr = 2 if BLOCK_CHANNELS // PACK >= 8 else 1
    PART: tl.constexpr = BLOCK_CHANNELS // (PACK * PARTS)
    WHOLE: tl.constexpr = GROUP_CHANNELS == BLOCK_CHANNELS
    PIXEL: tl.constexpr = GROUPS * WORDS
    rows, position, group, row_mask, center_x, center_y, start = locate_rows(
        row_count,
        height,
        width,
        out_height,
        out_width,
        STRIDE,
        ORIGIN,
        GROUPS,
        WORDS,
        BLOCK_ROWS,
        WIDE_INDEX,
        COMPUTE,
        TILE_LINES,
        TILE_COLUMNS,
    )
    if PACKED:
        input_ptr = input_ptr.to(tl.pointer_type(tl.int32))
        grad_output_ptr = grad_output_ptr.to(tl.pointer_type(tl.int32))
        if output_ptr is not None:
            output_ptr = output_ptr.to(tl.pointer_type(tl.int32))
    words = tl.arange(0, PART)[None, :]
    first_mask = words < WORDS
    second_mask = words + PART < WORDS
    grads = grad_output_ptr + rows[:, None] * WORDS + words
    first_even, first_odd = _split(
        _load_words(grads, row_mask, first_mask, WHOLE), PACKED, COMPUTE
    )
    second_even, second_odd = first_even, first_odd
    if PARTS == 2:
        second_even, second_odd = _split(
            _load_words(grads + PART, row_mask, second_mask, WHOLE),
            PACKED,
            COMPUTE,
        )
    offsets = first_offset(
        position, group, OFFSET_STRIDE, OFFSET_GROUP, PACKED_OFFSET
    )
    masks = position * MASK_STRIDE + group * MASK_GROUP
    log_sum = center_x
    if SOFTMAX:
        log_sum = tl.load(log_sum_ptr + rows, mask=row_mask, other=0.0)
    expected = center_x
    if SOFTMAX or gate_ptr is not None:
        expected = _multiply(
            output_ptr + rows[:, None] * WORDS + words,
            row_mask,
            first_mask,
            second_mask,
            first_even,
            first_odd,
            second_even,
            second_odd,
            PART,
            PARTS,
            WHOLE,
            PACKED,
        )
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
        value = _multiply(
            input_ptr + center[:, None] + words,
            row_mask,
            first_mask,
            second_mask,
            first_even,
            first_odd,
            second_even,
            second_odd,
            PART,
            PARTS,
            WHOLE,
            PACKED,
        )
        tl.store(
            grad_gate_ptr + position * GATE_STRIDE + group * GATE_GROUP,
            share * (value - expected),
            mask=row_mask,
        )
        # what is left of output and gradient belongs to the taps
        expected -= share * value
        first_even *= rest[:, None]
        first_odd *= rest[:, None]
        second_even *= rest[:, None]
        second_odd *= rest[:, None]
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
            pixel = start + (y.to(rows.dtype) * width + x) * PIXEL
            above = input_ptr + pixel[:, None] + words
            below = above + width * PIXEL
            above_left = _multiply(
                above,
                top & left,
                first_mask,
                second_mask,
                first_even,
                first_odd,
                second_even,
                second_odd,
                PART,
                PARTS,
                WHOLE,
                PACKED,
            )
            above_right = _multiply(
                above + PIXEL,
                top & right,
                first_mask,
                second_mask,
                first_even,
                first_odd,
                second_even,
                second_odd,
                PART,
                PARTS,
                WHOLE,
                PACKED,
            )
            below_left = _multiply(
                below,
                bottom & left,
                first_mask,
                second_mask,
                first_even,
                first_odd,
                second_even,
                second_odd,
                PART,
                PARTS,
                WHOLE,
                PACKED,
            )
            below_right = _multiply(
                below + PIXEL,
                bottom & right,
                first_mask,
                second_mask,
                first_even,
                first_odd,
                second_even,
                second_odd,
                PART,
                PARTS,
                WHOLE,
                PACKED,
            )
            rise_above = above_right - above_left
            rise_below = below_right - below_left
            line_above = above_left + fraction_x * rise_above
            line_below = below_left + fraction_x * rise_below
            slope_y = line_below - line_above
            slope_x = rise_above + fraction_y * (rise_below - rise_above)
            sampled = line_above + fraction_y * slope_y
            scale = OFFSET_SCALE * weight
            if SOFTMAX:
                sampled = weight * (sampled - expected)
            tl.store(grad_mask_ptr + masks + tap, sampled, mask=exists)
            _store_pairs(
                grad_offset_ptr,
                offsets,
                tap,
                scale * slope_x,
                scale * slope_y,
                exists,
                PACKED_OFFSET,
            )


@triton.jit
def _store_pairs(
    pointer: tl.tensor,
    offsets: tl.tensor,
    tap: tl.tensor,
    x: tl.tensor,
    y: tl.tensor,
    mask: tl.tensor,
    PACKED: tl.constexpr,
) -> None:
    """Store x and y one after the other, bfloat16 as one word."""
    if PACKED and pointer.dtype.element_ty == tl.bfloat16:
        pointers = pointer.to(tl.pointer_type(tl.int32)) + offsets + tap
        tl.store(pointers, pack_halves(x, y), mask=mask)
    else:
        UNIT: tl.constexpr = 2 if PACKED else 1
        pointers = pointer + UNIT * offsets + 2 * tap
        tl.store(pointers, x, mask=mask)
        tl.store(pointers + 1, y, mask=mask)
