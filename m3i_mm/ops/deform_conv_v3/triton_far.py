"""What no window of a tile reaches; see :mod:`.triton_windows`.

Where a pixel's gradient from an output position is not gathered, it is added
atomically, and the pixel's tile marked.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from .triton_points import (
    divide,
    find_pixel,
    first_position,
    locate_rows,
)
from .triton_taps import first_offset, load_gate, load_tap

__all__ = ['far_kernel']


@triton.jit
def _are_far(
    position: tl.tensor,
    pixel: tl.tensor,
    window: tl.tensor,
    TILE: tl.constexpr,
    REACH: tl.constexpr,
    STRIDE: tl.constexpr,
    ORIGIN: tl.constexpr,
) -> Any:
    """Whether a position is outside of the windows of a pixel and the next.

    That is along one axis, on which a window has ``window`` positions.
    """
    first = first_position(pixel & -TILE, False, REACH, STRIDE, ORIGIN)
    next = first_position((pixel + 1) & -TILE, False, REACH, STRIDE, ORIGIN)
    size = window.to(tl.uint32)
    return (
        (position - first).to(tl.uint32) >= size,
        (position - next).to(tl.uint32) >= size,
    )


@triton.jit
def _add(
    far_ptr: tl.tensor,
    far_tiles_ptr: tl.tensor,
    pixel: tl.tensor,
    tile: tl.tensor,
    is_far: tl.tensor,
    weight: tl.tensor,
    grad: tl.tensor,
    channels: tl.tensor,
    channel_mask: tl.tensor,
) -> None:
    """Add weight * grad to the pixels of the rows that are far."""
    tl.atomic_add(
        far_ptr + pixel[:, None] + channels,
        weight[:, None] * grad,
        is_far[:, None] & channel_mask,
        sem='relaxed',
    )
    if far_tiles_ptr is not None:
        tl.store(far_tiles_ptr + tile, 1, mask=is_far)


@triton.jit(
    do_not_specialize=[
        *('height', 'width', 'out_height', 'out_width'),
        *('window_height', 'window_width'),
    ]
)
def far_kernel(
    offset_ptr: tl.tensor,
    mask_ptr: tl.tensor,
    gate_ptr: tl.tensor,
    log_sum_ptr: tl.tensor,
    grad_output_ptr: tl.tensor,
    far_ptr: tl.tensor,
    far_tiles_ptr: tl.tensor,
    row_count: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    out_height: tl.tensor,
    out_width: tl.tensor,
    window_height: tl.tensor,
    window_width: tl.tensor,
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
    PACKED_OFFSET: tl.constexpr,
    REACH: tl.constexpr,
    TILE_HEIGHT: tl.constexpr,
    TILE_WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
) -> None:
    """Add to ``far`` what is far of the gradient that ``ROWS`` rows give.

    Marks in ``far_tiles`` the tiles that get something; None for no marks.
    The central pixel, which a gate adds, is in every window.
    """
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
        ROWS,
        WIDE_INDEX,
        COMPUTE,
    )
    out_line, out_x = divide(position, out_width)
    image, out_y = divide(out_line, out_height)
    out_x = out_x.to(tl.int32)
    out_y = out_y.to(tl.int32)
    tiles_across = tl.cdiv(width, TILE_WIDTH)
    tiles = image * tl.cdiv(height, TILE_HEIGHT) * tiles_across * GROUPS
    tiles += group
    channels = tl.arange(0, BLOCK_CHANNELS)[None, :]
    channel_mask = channels < GROUP_CHANNELS
    grads = grad_output_ptr + rows[:, None] * GROUP_CHANNELS + channels
    offsets = first_offset(
        position, group, OFFSET_STRIDE, OFFSET_GROUP, PACKED_OFFSET
    )
    masks = position * MASK_STRIDE + group * MASK_GROUP
    log_sum = center_x
    if SOFTMAX:
        log_sum = tl.load(log_sum_ptr + rows, mask=row_mask, other=0.0)
    rest = center_x
    if gate_ptr is not None:
        _share, rest = load_gate(
            gate_ptr,
            position,
            group,
            row_mask,
            GATE_STRIDE,
            GATE_GROUP,
            COMPUTE,
        )
    for column in range(KERNEL_SIZE):
        for line in range(KERNEL_SIZE):
            _, exists, x, y, weight = load_tap(
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
            x, fraction_x, left, right = find_pixel(x, width)
            y, fraction_y, top, bottom = find_pixel(y, height)
            far_left, far_right = _are_far(
                out_x, x, window_width, TILE_WIDTH, REACH, STRIDE, ORIGIN
            )
            far_top, far_bottom = _are_far(
                out_y, y, window_height, TILE_HEIGHT, REACH, STRIDE, ORIGIN
            )
            top = top & exists
            bottom = bottom & exists
            above_left = top & left & (far_top | far_left)
            above_right = top & right & (far_top | far_right)
            below_left = bottom & left & (far_bottom | far_left)
            below_right = bottom & right & (far_bottom | far_right)
            is_far = above_left | above_right | below_left | below_right
            if tl.max(is_far.to(tl.int32), axis=0) > 0:
                grad = tl.load(
                    grads,
                    mask=is_far[:, None] & channel_mask,
                    other=0.0,
                ).to(COMPUTE)
                if gate_ptr is not None:
                    weight *= rest
                weight_below = weight * fraction_y
                weight_above = weight - weight_below
                PIXEL: tl.constexpr = GROUPS * GROUP_CHANNELS
                pixel = start + (y.to(rows.dtype) * width + x) * PIXEL
                tile_above = tiles + y // TILE_HEIGHT * tiles_across * GROUPS
                tile_below = (
                    tiles + (y + 1) // TILE_HEIGHT * tiles_across * GROUPS
                )
                tile_left = x // TILE_WIDTH * GROUPS
                tile_right = (x + 1) // TILE_WIDTH * GROUPS
                _add(
                    far_ptr,
                    far_tiles_ptr,
                    pixel,
                    tile_above + tile_left,
                    above_left,
                    weight_above - weight_above * fraction_x,
                    grad,
                    channels,
                    channel_mask,
                )
                _add(
                    far_ptr,
                    far_tiles_ptr,
                    pixel + PIXEL,
                    tile_above + tile_right,
                    above_right,
                    weight_above * fraction_x,
                    grad,
                    channels,
                    channel_mask,
                )
                _add(
                    far_ptr,
                    far_tiles_ptr,
                    pixel + width * PIXEL,
                    tile_below + tile_left,
                    below_left,
                    weight_below - weight_below * fraction_x,
                    grad,
                    channels,
                    channel_mask,
                )
                _add(
                    far_ptr,
                    far_tiles_ptr,
                    pixel + (width + 1) * PIXEL,
                    tile_below + tile_right,
                    below_right,
                    weight_below * fraction_x,
                    grad,
                    channels,
                    channel_mask,
                )
