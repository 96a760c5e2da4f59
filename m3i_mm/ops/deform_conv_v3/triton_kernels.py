"""Triton kernels of DCNv3, forward and backward.

A row is one group of one output position. Rows are numbered as they lie in
memory, so a program owns a contiguous piece of output, offset and mask, and
reads ``Cg`` contiguous channels of each sampled pixel. The arithmetic is in
float32 (float64 for float64 inputs). As in the official CUDA kernel, the
pixel below a location is its floor, hence the right-hand derivative at integer
locations, and a point counts only strictly within one pixel of the input.

Each gradient of offset and mask is written by one program. The gradient of
the input is summed by atomic additions, whose order is not determined.

Whether Triton compiles or interprets (``TRITON_INTERPRET=1``, for tensors on
the CPU) is decided when this module is imported.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

__all__ = ['backward_kernel', 'forward_kernel']


@triton.jit
def _locate_rows(
    row_count: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    out_height: tl.tensor,
    out_width: tl.tensor,
    STRIDE: tl.constexpr,
    ORIGIN: tl.constexpr,
    GROUPS: tl.constexpr,
    GROUP_CHANNELS: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    WIDE_INDEX: tl.constexpr,
    COMPUTE: tl.constexpr,
) -> Any:
    """Return rows, their existence, kernel centre x and y, and image start."""
    program = tl.program_id(0)
    if WIDE_INDEX:
        program = program.to(tl.int64)
    rows = program * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    position = rows // GROUPS
    line = position // out_width
    center_x = (position % out_width) * STRIDE + ORIGIN
    center_y = (line % out_height) * STRIDE + ORIGIN
    image = line // out_height
    start = (image * height * width * GROUPS + rows % GROUPS) * GROUP_CHANNELS
    return (
        rows,
        rows < row_count,
        center_x.to(COMPUTE),
        center_y.to(COMPUTE),
        start,
    )


@triton.jit
def _locate_tap(
    offset_ptr: tl.tensor,
    rows: tl.tensor,
    row_mask: tl.tensor,
    center_x: tl.tensor,
    center_y: tl.tensor,
    tap: tl.tensor,
    KERNEL_SIZE: tl.constexpr,
    DILATION: tl.constexpr,
    OFFSET_SCALE: tl.constexpr,
    REMOVE_CENTER: tl.constexpr,
    TAPS: tl.constexpr,
) -> Any:
    """Return x and y of one tap of each row, in pixels."""
    point = tap
    if REMOVE_CENTER:
        point = tap + tap // (TAPS // 2)  # skips the central one
    half: tl.constexpr = DILATION * (KERNEL_SIZE - 1) // 2
    pointers = offset_ptr + rows * (2 * TAPS) + 2 * tap
    offset_x = tl.load(pointers, mask=row_mask, other=0.0).to(center_x.dtype)
    offset_y = tl.load(pointers + 1, mask=row_mask, other=0.0).to(
        center_y.dtype
    )
    grid_x = point // KERNEL_SIZE * DILATION - half
    grid_y = point % KERNEL_SIZE * DILATION - half
    return (
        center_x + OFFSET_SCALE * (grid_x + offset_x),
        center_y + OFFSET_SCALE * (grid_y + offset_y),
    )


@triton.jit
def _split(location: tl.tensor, size: tl.tensor) -> Any:
    """Return pixel below, fraction, and whether it and the next one count."""
    inside = (location > -1) & (location < size)
    # an infinite or NaN location has no pixel
    location = tl.where(inside, location, 0.0)
    low = tl.floor(location)
    pixel = low.to(tl.int32)
    return (
        pixel,
        location - low,
        inside & (pixel >= 0),
        inside & (pixel + 1 < size),
    )


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
def _low_half(words: tl.tensor) -> Any:
    """Return the first bfloat16 of each 32-bit word."""
    return (words << 16).to(tl.float32, bitcast=True)


@triton.jit
def _high_half(words: tl.tensor) -> Any:
    """Return the second bfloat16 of each 32-bit word."""
    return (words & -65536).to(tl.float32, bitcast=True)


@triton.jit
def _load_offset(
    offset_ptr: tl.tensor,
    index: tl.tensor,
    row_mask: tl.tensor,
    PACKED: tl.constexpr,
    COMPUTE: tl.constexpr,
) -> Any:
    """Return x and y of an offset, by one load if they are aligned."""
    if PACKED and offset_ptr.dtype.element_ty == tl.bfloat16:
        words = tl.load(
            offset_ptr.to(tl.pointer_type(tl.int32)) + index,
            mask=row_mask,
            other=0,
        )
        return _low_half(words), _high_half(words)
    elif PACKED:
        words = tl.load(
            offset_ptr.to(tl.pointer_type(tl.int64)) + index,
            mask=row_mask,
            other=0,
        )
        return (
            words.to(tl.int32).to(tl.float32, bitcast=True),
            (words >> 32).to(tl.int32).to(tl.float32, bitcast=True),
        )
    else:
        pointers = offset_ptr + 2 * index
        return (
            tl.load(pointers, mask=row_mask, other=0.0).to(COMPUTE),
            tl.load(pointers + 1, mask=row_mask, other=0.0).to(COMPUTE),
        )


@triton.jit
def _find_pixel(location: tl.tensor, size: tl.tensor) -> Any:
    """Return what :func:`_split` does, in fewer instructions.

    Locations that are far out or not finite are moved to where no pixel
    counts, and a negative pixel is a large unsigned one.
    """
    location = tl.where(location > -2.0, location, -2.0)
    location = tl.minimum(location, size.to(location.dtype))
    low = tl.floor(location)
    pixel = low.to(tl.int32)
    bound = size.to(tl.uint32)
    return (
        pixel,
        location - low,
        pixel.to(tl.uint32) < bound,
        (pixel + 1).to(tl.uint32) < bound,
    )


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
        even += weight[:, None] * _low_half(value)
        odd += weight[:, None] * _high_half(value)
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
        low = even.to(tl.bfloat16).to(tl.uint16, bitcast=True)
        high = odd.to(tl.bfloat16).to(tl.uint16, bitcast=True)
        words = low.to(tl.uint32) | (high.to(tl.uint32) << 16)
        tl.store(pointers, words.to(tl.int32, bitcast=True), mask=mask)
    else:
        tl.store(pointers, even, mask=mask)


@triton.jit
def _backward_pixel(
    input_ptr: tl.tensor,
    grad_input_ptr: tl.tensor,
    index: tl.tensor,
    mask: tl.tensor,
    grad: tl.tensor,
    weight: tl.tensor,
    INPUT_GRADIENT: tl.constexpr,
) -> Any:
    """Add weight * grad to one pixel's gradient, return <grad, pixel>."""
    value = tl.load(input_ptr + index, mask=mask, other=0.0)
    if INPUT_GRADIENT:
        tl.atomic_add(
            grad_input_ptr + index, weight[:, None] * grad, mask, sem='relaxed'
        )
    return tl.sum(grad * value.to(grad.dtype), axis=1)


@triton.jit(do_not_specialize=['height', 'width', 'out_height', 'out_width'])
def forward_kernel(
    input_ptr: tl.tensor,
    offset_ptr: tl.tensor,
    mask_ptr: tl.tensor,
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
    GROUPS: tl.constexpr,
    GROUP_CHANNELS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
    WIDE_INDEX: tl.constexpr,
    COMPUTE: tl.constexpr,
    TILE: tl.constexpr,
    PACKED: tl.constexpr,
    PACKED_OFFSET: tl.constexpr,
) -> None:
    """Write the output of ``max(1, TILE // BLOCK_CHANNELS)`` rows.

    A word is a channel, or with ``PACKED`` two of bfloat16, whose halves
    cost an instruction each to unpack. A thread has a part of the first and
    of the second half of a row's words, so that what a tap computes for the
    row serves twice as many channels as one load brings.
    """
    BLOCK_ROWS: tl.constexpr = max(1, TILE // BLOCK_CHANNELS)
    PACK: tl.constexpr = 2 if PACKED else 1
    WORDS: tl.constexpr = GROUP_CHANNELS // PACK
    PARTS: tl.constexpr = 2 if BLOCK_CHANNELS // PACK >= 8 else 1
    PART: tl.constexpr = BLOCK_CHANNELS // (PACK * PARTS)
    WHOLE: tl.constexpr = GROUP_CHANNELS == BLOCK_CHANNELS
    PIXEL: tl.constexpr = GROUPS * WORDS
    rows, row_mask, center_x, center_y, start = _locate_rows(
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
    half: tl.constexpr = DILATION * (KERNEL_SIZE - 1) // 2
    for column in range(KERNEL_SIZE):
        column_x = center_x + OFFSET_SCALE * (column * DILATION - half)
        for line in tl.static_range(KERNEL_SIZE):
            line_y = center_y + OFFSET_SCALE * (line * DILATION - half)
            point = column * KERNEL_SIZE + line
            tap = point
            exists = row_mask
            if REMOVE_CENTER:
                tap = point - (point > TAPS // 2).to(tl.int32)
                exists = row_mask & (point != TAPS // 2)
            index = rows * TAPS + tap
            offset_x, offset_y = _load_offset(
                offset_ptr, index, exists, PACKED_OFFSET, COMPUTE
            )
            weight = tl.load(mask_ptr + index, mask=exists, other=0.0)
            weight = weight.to(COMPUTE)
            x, fraction_x, left, right = _find_pixel(
                column_x + OFFSET_SCALE * offset_x, width
            )
            y, fraction_y, top, bottom = _find_pixel(
                line_y + OFFSET_SCALE * offset_y, height
            )
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
    INPUT_GRADIENT: tl.constexpr,
    POINTS_GRADIENT: tl.constexpr,
) -> None:
    """Write the rows' gradients of offset and mask, add that of the input.

    A gradient that is not asked for costs neither stores nor additions.
    """
    BLOCK_ROWS: tl.constexpr = max(1, TILE // BLOCK_CHANNELS)
    CHANNELS: tl.constexpr = GROUPS * GROUP_CHANNELS
    rows, row_mask, center_x, center_y, start = _locate_rows(
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
    channels = tl.arange(0, BLOCK_CHANNELS)[None, :]
    channel_mask = channels < GROUP_CHANNELS
    grad = _load(
        grad_output_ptr + rows[:, None] * GROUP_CHANNELS + channels,
        row_mask,
        channel_mask,
        COMPUTE,
    )
    for tap in range(TAPS):
        x, y = _locate_tap(
            offset_ptr,
            rows,
            row_mask,
            center_x,
            center_y,
            tap,
            KERNEL_SIZE,
            DILATION,
            OFFSET_SCALE,
            REMOVE_CENTER,
            TAPS,
        )
        # NaN where a location is not finite, so that a divergence shows
        unknown_x, unknown_y = x - x, y - y
        x, fraction_x, left, right = _split(x, width)
        y, fraction_y, top, bottom = _split(y, height)
        fraction_x += unknown_x
        fraction_y += unknown_y
        top = top & row_mask
        bottom = bottom & row_mask
        pixel = start + (y.to(rows.dtype) * width + x) * CHANNELS
        above = pixel[:, None] + channels
        below = above + width * CHANNELS
        weight = tl.load(
            mask_ptr + rows * TAPS + tap, mask=row_mask, other=0.0
        ).to(COMPUTE)
        weight_above = weight * (1 - fraction_y)
        weight_below = weight * fraction_y
        above_left = _backward_pixel(
            input_ptr,
            grad_input_ptr,
            above,
            (top & left)[:, None] & channel_mask,
            grad,
            weight_above * (1 - fraction_x),
            INPUT_GRADIENT,
        )
        above_right = _backward_pixel(
            input_ptr,
            grad_input_ptr,
            above + CHANNELS,
            (top & right)[:, None] & channel_mask,
            grad,
            weight_above * fraction_x,
            INPUT_GRADIENT,
        )
        below_left = _backward_pixel(
            input_ptr,
            grad_input_ptr,
            below,
            (bottom & left)[:, None] & channel_mask,
            grad,
            weight_below * (1 - fraction_x),
            INPUT_GRADIENT,
        )
        below_right = _backward_pixel(
            input_ptr,
            grad_input_ptr,
            below + CHANNELS,
            (bottom & right)[:, None] & channel_mask,
            grad,
            weight_below * fraction_x,
            INPUT_GRADIENT,
        )
        if POINTS_GRADIENT:
            line_above = above_left + fraction_x * (above_right - above_left)
            line_below = below_left + fraction_x * (below_right - below_left)
            slope_x = weight_above * (above_right - above_left)
            slope_x += weight_below * (below_right - below_left)
            slope_y = weight * (line_below - line_above)
            sampled = line_above + fraction_y * (line_below - line_above)
            tl.store(grad_mask_ptr + rows * TAPS + tap, sampled, mask=row_mask)
            pointers = grad_offset_ptr + rows * (2 * TAPS) + 2 * tap
            tl.store(pointers, OFFSET_SCALE * slope_x, mask=row_mask)
            tl.store(pointers + 1, OFFSET_SCALE * slope_y, mask=row_mask)
