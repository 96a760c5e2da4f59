"""The gradient of DCNv3's input without atomic additions.

A program owns a tile of pixels of one group. For a chunk of output positions,
one to a thread, it sums over the taps

    weight[pixel, position] = sum_t mask_t * hat(y_t - row) * hat(x_t - column)

with ``hat(d) = max(0, 1 - |d|)``, the bilinear weights, and adds the matrix
product of that with the positions' gradients. Where a gate gives the central
pixel a share, that is one more tap. Taps without a sample in the
tile are left out. So a pixel's gradient is written once, in an order that does
not depend on the scheduling.

The product multiplies by zeros: where a mask or a gradient of the output is
not finite, the gradient of all pixels of the tiles around it is NaN.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from .triton_points import first_position
from .triton_taps import first_offset, load_gate, load_tap

__all__ = ['gather_kernel']


@triton.jit
def _hat(distance: tl.tensor) -> Any:
    """Return the bilinear weight; the outer bound makes it one saturation."""
    return tl.minimum(tl.maximum(1.0 - tl.abs(distance), 0.0), 1.0)


@triton.jit
def _add_tap(
    weights: tl.tensor,
    count: tl.tensor,
    exists: tl.tensor,
    weight: tl.tensor,
    x: tl.tensor,
    y: tl.tensor,
    column: tl.tensor,
    line: tl.tensor,
    TILE_HEIGHT: tl.constexpr,
    TILE_WIDTH: tl.constexpr,
) -> Any:
    """Add a tap's weights of (lines, columns, positions), and count it.

    It is left out if it has no sample in the tile.
    """
    touches = (x > -1) & (x < TILE_WIDTH) & exists
    touches = touches & (y > -1) & (y < TILE_HEIGHT)
    touched = tl.max(touches.to(tl.int32), axis=0)
    if touched > 0:
        # what is elsewhere or nowhere gets no weight, not NaN
        across = _hat(tl.where(touches, x, -2.0)[None, None, :] - column)
        down = _hat(tl.where(touches, y, -2.0)[None, None, :] - line)
        weights += weight[None, None, :] * down * across
    return weights, count + touched


@triton.jit
def _weights(
    offset_ptr: tl.tensor,
    mask_ptr: tl.tensor,
    gate_ptr: tl.tensor,
    log_sum_ptr: tl.tensor,
    position: tl.tensor,
    group: tl.tensor,
    exists: tl.tensor,
    center_x: tl.tensor,
    center_y: tl.tensor,
    KERNEL_SIZE: tl.constexpr,
    DILATION: tl.constexpr,
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
    PACKED_OFFSET: tl.constexpr,
    COMPUTE: tl.constexpr,
    TILE_HEIGHT: tl.constexpr,
    TILE_WIDTH: tl.constexpr,
    CHUNK: tl.constexpr,
    FACTOR: tl.constexpr,
) -> Any:
    """Return (pixels of the tile, positions), and how many taps have any.

    They are multiplied by ``FACTOR``. Centres are relative to the tile.
    """
    tile_line = tl.arange(0, TILE_HEIGHT)[:, None, None].to(COMPUTE)
    tile_column = tl.arange(0, TILE_WIDTH)[None, :, None].to(COMPUTE)
    weights = tl.zeros((TILE_HEIGHT, TILE_WIDTH, CHUNK), dtype=COMPUTE)
    count = 0
    offsets = first_offset(
        position, group, OFFSET_STRIDE, OFFSET_GROUP, PACKED_OFFSET
    )
    masks = position * MASK_STRIDE + group * MASK_GROUP
    log_sum = center_x
    if SOFTMAX:
        log_sums = log_sum_ptr + position * GROUPS + group
        log_sum = tl.load(log_sums, mask=exists, other=0.0)
    share, rest = center_x, center_x
    if gate_ptr is not None:
        share, rest = load_gate(
            gate_ptr,
            position,
            group,
            exists,
            GATE_STRIDE,
            GATE_GROUP,
            COMPUTE,
        )
    for column in range(KERNEL_SIZE):
        for line in range(KERNEL_SIZE):
            _, tap_exists, x, y, weight = load_tap(
                offset_ptr,
                mask_ptr,
                offsets,
                masks,
                exists,
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
            if gate_ptr is not None:
                weight *= rest
            weights, count = _add_tap(
                weights,
                count,
                tap_exists,
                FACTOR * weight,
                x,
                y,
                tile_column,
                tile_line,
                TILE_HEIGHT,
                TILE_WIDTH,
            )
    if gate_ptr is not None:
        weights, count = _add_tap(
            weights,
            count,
            exists,
            FACTOR * share,
            center_x,
            center_y,
            tile_column,
            tile_line,
            TILE_HEIGHT,
            TILE_WIDTH,
        )
    return weights.reshape(TILE_HEIGHT * TILE_WIDTH, CHUNK), count


@triton.jit(
    do_not_specialize=[
        *('height', 'width', 'out_height', 'out_width', 'across', 'down')
    ]
)
def gather_kernel(
    offset_ptr: tl.tensor,
    mask_ptr: tl.tensor,
    gate_ptr: tl.tensor,
    log_sum_ptr: tl.tensor,
    grad_output_ptr: tl.tensor,
    far_ptr: tl.tensor,
    far_tiles_ptr: tl.tensor,
    grad_input_ptr: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    out_height: tl.tensor,
    out_width: tl.tensor,
    across: tl.tensor,
    down: tl.tensor,
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
    WHOLE: tl.constexpr,
    REACH: tl.constexpr,
    TILE_HEIGHT: tl.constexpr,
    TILE_WIDTH: tl.constexpr,
    CHUNK: tl.constexpr,
    CHUNK_WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """Write a tile's gradient of the input, ``BLOCK_CHANNELS`` of a group.

    Tiles whose mark in ``far_tiles`` is set have a part of their gradient in
    ``far``; both are None where there is none.
    """
    PIXELS: tl.constexpr = TILE_HEIGHT * TILE_WIDTH
    BLOCKS: tl.constexpr = tl.cdiv(GROUP_CHANNELS, BLOCK_CHANNELS)
    CHUNK_HEIGHT: tl.constexpr = CHUNK // CHUNK_WIDTH
    # A tensor core cuts a weight off to 11 bits, on average by this part.
    FACTOR: tl.constexpr = 1 + 0.00034 if PRECISION == 'tf32' else 1.0
    program = tl.program_id(0)
    if WIDE_INDEX:
        program = program.to(tl.int64)
    tile_and_group = program // BLOCKS
    group = tile_and_group % GROUPS
    tile = tile_and_group // GROUPS
    tiles_across = tl.cdiv(width, TILE_WIDTH)
    tiles_down = tl.cdiv(height, TILE_HEIGHT)
    image = tile // (tiles_across * tiles_down)
    top = (tile // tiles_across % tiles_down * TILE_HEIGHT).to(tl.int32)
    left = (tile % tiles_across * TILE_WIDTH).to(tl.int32)
    first_x = first_position(left, WHOLE, REACH, STRIDE, ORIGIN)
    first_y = first_position(top, WHOLE, REACH, STRIDE, ORIGIN)
    channels = (
        program % BLOCKS * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)
    )[None, :]
    channel_mask = channels < GROUP_CHANNELS
    place = tl.arange(0, CHUNK)
    sums = tl.zeros((PIXELS, BLOCK_CHANNELS), dtype=COMPUTE)
    for chunk in range(across * down):
        start_x = first_x + chunk % across * CHUNK_WIDTH
        start_y = first_y + chunk // across * CHUNK_HEIGHT
        is_on_map = (start_x < out_width) & (start_x > -CHUNK_WIDTH)
        is_on_map = is_on_map & (start_y < out_height)
        if is_on_map & (start_y > -CHUNK_HEIGHT):
            x = start_x + place % CHUNK_WIDTH
            y = start_y + place // CHUNK_WIDTH
            exists = (x >= 0) & (x < out_width) & (y >= 0) & (y < out_height)
            position = (image * out_height + y) * out_width + x
            rows = position * GROUPS + group
            weights, count = _weights(
                offset_ptr,
                mask_ptr,
                gate_ptr,
                log_sum_ptr,
                position,
                group,
                exists,
                (x * STRIDE + ORIGIN - left).to(COMPUTE),
                (y * STRIDE + ORIGIN - top).to(COMPUTE),
                KERNEL_SIZE,
                DILATION,
                OFFSET_SCALE,
                REMOVE_CENTER,
                OFFSET_STRIDE,
                OFFSET_GROUP,
                MASK_STRIDE,
                MASK_GROUP,
                GATE_STRIDE,
                GATE_GROUP,
                SOFTMAX,
                GROUPS,
                PACKED_OFFSET,
                COMPUTE,
                TILE_HEIGHT,
                TILE_WIDTH,
                CHUNK,
                FACTOR,
            )
            if count > 0:
                grad = tl.load(
                    grad_output_ptr
                    + rows[:, None] * GROUP_CHANNELS
                    + channels,
                    mask=exists[:, None] & channel_mask,
                    other=0.0,
                )
                sums = tl.dot(
                    weights,
                    grad.to(COMPUTE),
                    sums,
                    input_precision=PRECISION,
                    out_dtype=COMPUTE,
                )
    pixel = tl.arange(0, PIXELS)
    y = top + pixel // TILE_WIDTH
    x = left + pixel % TILE_WIDTH
    pixels = ((image * height + y) * width + x) * GROUPS + group
    index = pixels[:, None] * GROUP_CHANNELS + channels
    mask = ((y < height) & (x < width))[:, None] & channel_mask
    if far_tiles_ptr is not None:  # noqa: SIM102 - decided when compiled
        if tl.load(far_tiles_ptr + tile_and_group) != 0:
            sums += tl.load(far_ptr + index, mask=mask, other=0.0)
    tl.store(grad_input_ptr + index, sums, mask=mask)
