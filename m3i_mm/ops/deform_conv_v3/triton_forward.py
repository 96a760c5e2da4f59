"""The forward kernel of DCNv3; see :mod:`.triton_kernels`."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from .triton_points import (
    central_pixel,
    find_pixel,
    high_half,
    locate_rows,
    low_half,
    pack_halves,
)
from .triton_taps import (
    first_offset,
    load_gate,
    load_sums,
    load_tap,
    log2_of_sum,
)

__all__ = ['forward_kernel']


@triton.jit
def _add_pixel(
    even: tl.tensor,
    odd: tl.tensor,
    pointers: tl.tensor,
    inside: tl.tensor,
    channel_mask: tl.tensor,
    weight: tl.tensor,
    WHOLE: tl.constexpr,
    PACKED: tl.constexpr,
) -> Any:
    """Add weight * pixel to the sums, of even and odd channels if packed."""
    mask = inside[:, None]
    if not WHOLE:
        mask = mask & channel_mask
    value = tl.load(pointers, mask=mask, other=0)
    if PACKED:
        even += weight[:, None] * low_half(value)
        odd += weight[:, None] * high_half(value)
    else:
        even += weight[:, None] * value.to(even.dtype)
    return even, odd


@triton.jit
def _add_pixels(
    even: tl.tensor,
    odd: tl.tensor,
    above: tl.tensor,
    below: tl.tensor,
    PIXEL: tl.constexpr,
    is_above_left: tl.tensor,
    is_above_right: tl.tensor,
    is_below_left: tl.tensor,
    is_below_right: tl.tensor,
    channel_mask: tl.tensor,
    above_left: tl.tensor,
    above_right: tl.tensor,
    below_left: tl.tensor,
    below_right: tl.tensor,
    WHOLE: tl.constexpr,
    PACKED: tl.constexpr,
) -> Any:
    """Add the four pixels around a location."""
    even, odd = _add_pixel(
        even,
        odd,
        above,
        is_above_left,
        channel_mask,
        above_left,
        WHOLE,
        PACKED,
    )
    even, odd = _add_pixel(
        even,
        odd,
        above + PIXEL,
        is_above_right,
        channel_mask,
        above_right,
        WHOLE,
        PACKED,
    )
    even, odd = _add_pixel(
        even,
        odd,
        below,
        is_below_left,
        channel_mask,
        below_left,
        WHOLE,
        PACKED,
    )
    return _add_pixel(
        even,
        odd,
        below + PIXEL,
        is_below_right,
        channel_mask,
        below_right,
        WHOLE,
        PACKED,
    )


@triton.jit
def _store_sums(
    pointers: tl.tensor,
    even: tl.tensor,
    odd: tl.tensor,
    mask: tl.tensor,
    PACKED: tl.constexpr,
) -> None:
    if PACKED:
        tl.store(pointers, pack_halves(even, odd), mask=mask)
    else:
        tl.store(pointers, even, mask=mask)


@triton.jit
def _store_rows(
    pointer: tl.tensor,
    value: tl.tensor,
    rows: tl.tensor,
    row_mask: tl.tensor,
    words: tl.tensor,
) -> None:
    """Store a number a row, by the thread that has the row's first word.

    Stores of one dimension have a layout of their own, and Triton would
    compute the numbers in both. These look like those of whole words, though
    all but the first are masked.
    """
    PART: tl.constexpr = words.shape[1]
    pointers = tl.multiple_of(pointer + rows[:, None] + words, (1, 16))
    tl.store(
        tl.max_contiguous(pointers, (1, PART)),
        tl.broadcast_to(value[:, None], (rows.shape[0], PART)),
        mask=row_mask[:, None] & (words == 0),
    )


@triton.jit(do_not_specialize=['height', 'width', 'out_height', 'out_width'])
def forward_kernel(
    input_ptr: tl.tensor,
    offset_ptr: tl.tensor,
    mask_ptr: tl.tensor,
    gate_ptr: tl.tensor,
    log_sum_ptr: tl.tensor,
    output_ptr: tl.tensor,
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
    """Write the output of ``max(1, TILE // BLOCK_CHANNELS)`` rows.

    The input's pixel at the centre of the kernel has the share that a gate
    says; None for no gate. With ``SOFTMAX`` the logarithm of a row's sum of
    exponentials is written too, which serves the way back.

    A word is a channel, or with ``PACKED`` two of bfloat16, whose halves
    cost an instruction each to unpack.
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
        output_ptr = output_ptr.to(tl.pointer_type(tl.int32))
    words = tl.arange(0, PART)[None, :]
    first_mask = words < WORDS
    second_mask = words + PART < WORDS
    even = tl.zeros((BLOCK_ROWS, PART), dtype=COMPUTE)
    odd = tl.zeros((BLOCK_ROWS, PART), dtype=COMPUTE)
    second_even = tl.zeros((BLOCK_ROWS, PART), dtype=COMPUTE)
    second_odd = tl.zeros((BLOCK_ROWS, PART), dtype=COMPUTE)
    offsets = first_offset(
        position, group, OFFSET_STRIDE, OFFSET_GROUP, PACKED_OFFSET
    )
    masks = position * MASK_STRIDE + group * MASK_GROUP
    # before the loop: shares take fewer registers through it than positions
    share, rest = center_x, tl.full(center_x.shape, 1.0, COMPUTE)
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
    largest = center_x
    if SOFTMAX:
        largest, total = load_sums(mask_ptr, masks, row_mask, TAPS, COMPUTE)
        log_sum = largest + log2_of_sum(total)
        _store_rows(log_sum_ptr, log_sum, rows, row_mask, words)
        rest = rest / total
    for column in range(KERNEL_SIZE):
        for line in tl.static_range(KERNEL_SIZE):
            _, exists, x, y, weight = load_tap(
                offset_ptr,
                mask_ptr,
                offsets,
                masks,
                row_mask,
                largest,
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
            x, fraction_x, left, right = find_pixel(x, width)
            y, fraction_y, top, bottom = find_pixel(y, height)
            top = top & exists
            bottom = bottom & exists
            weight_below = weight * fraction_y
            weight_above = weight - weight_below
            above_right = weight_above * fraction_x
            above_left = weight_above - above_right
            below_right = weight_below * fraction_x
            below_left = weight_below - below_right
            pixel = start + (y.to(rows.dtype) * width + x) * PIXEL
            above = input_ptr + pixel[:, None] + words
            below = above + width * PIXEL
            even, odd = _add_pixels(
                even,
                odd,
                above,
                below,
                PIXEL,
                top & left,
                top & right,
                bottom & left,
                bottom & right,
                first_mask,
                above_left,
                above_right,
                below_left,
                below_right,
                WHOLE,
                PACKED,
            )
            if PARTS == 2:
                second_even, second_odd = _add_pixels(
                    second_even,
                    second_odd,
                    above + PART,
                    below + PART,
                    PIXEL,
                    top & left,
                    top & right,
                    bottom & left,
                    bottom & right,
                    second_mask,
                    above_left,
                    above_right,
                    below_left,
                    below_right,
                    WHOLE,
                    PACKED,
                )
    if SOFTMAX or gate_ptr is not None:
        even *= rest[:, None]
        odd *= rest[:, None]
        second_even *= rest[:, None]
        second_odd *= rest[:, None]
    if gate_ptr is not None:
        center = start + central_pixel(rows, center_x, center_y, width) * PIXEL
        pointers = input_ptr + center[:, None] + words
        even, odd = _add_pixel(
            even,
            odd,
            pointers,
            row_mask,
            first_mask,
            share,
            WHOLE,
            PACKED,
        )
        if PARTS == 2:
            second_even, second_odd = _add_pixel(
                second_even,
                second_odd,
                pointers + PART,
                row_mask,
                second_mask,
                share,
                WHOLE,
                PACKED,
            )
    pointers = output_ptr + rows[:, None] * WORDS + words
    exists = row_mask[:, None]
    _store_sums(pointers, even, odd, exists & first_mask, PACKED)
    if PARTS == 2:
        _store_sums(
            pointers + PART,
            second_even,
            second_odd,
            exists & second_mask,
            PACKED,
        )
