"""Which rows DCNv3's kernels have, and the pixels around a location.

Whether Triton compiles or interprets (``TRITON_INTERPRET=1``, for tensors on
the CPU) is decided when this module is imported.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

__all__ = [
    'central_pixel',
    'divide',
    'find_pixel',
    'find_slopes',
    'first_position',
    'high_half',
    'locate_rows',
    'low_half',
    'pack_halves',
]


@triton.jit
def divide(index: tl.tensor, size: tl.tensor) -> Any:
    """Return quotient and remainder; without signs they cost less."""
    UNSIGNED: tl.constexpr = (
        tl.uint64 if index.dtype == tl.int64 else tl.uint32
    )
    index_unsigned = index.to(UNSIGNED)
    size_unsigned = tl.cast(size, UNSIGNED)
    quotient = index_unsigned // size_unsigned
    remainder = index_unsigned % size_unsigned
    return quotient.to(index.dtype), remainder.to(index.dtype)


@triton.jit
def locate_rows(
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
    TILE_LINES: tl.constexpr = 0,
    TILE_COLUMNS: tl.constexpr = 0,
) -> Any:
    """Return rows, their position and group, whether they exist, and more.

    That is x and y of the kernel's centre, and where a row's group of the
    first pixel of its image is.

    A program has rows one after the other, or those of a tile of
    ``TILE_LINES`` x ``TILE_COLUMNS`` positions, which must divide the map, and
    of so many groups that they are ``BLOCK_ROWS``; see :func:`.row_grid`. All
    rows of tiles exist, which is known when compiling.
    """
    program = tl.program_id(0)
    image = tl.program_id(2)
    if WIDE_INDEX:
        program = program.to(tl.int64)
        image = image.to(tl.int64)
    row = tl.arange(0, BLOCK_ROWS)
    if TILE_LINES == 0:
        rows = program * BLOCK_ROWS + row
        position, group = divide(rows, GROUPS)
        line, x = divide(position, out_width)
        image, y = divide(line, out_height)
        row_mask = rows < row_count
    else:
        TILE_GROUPS: tl.constexpr = BLOCK_ROWS // TILE_COLUMNS // TILE_LINES
        tile, block = divide(program, GROUPS // TILE_GROUPS)
        group = block * TILE_GROUPS + row % TILE_GROUPS
        x = tile * TILE_COLUMNS + row // TILE_GROUPS % TILE_COLUMNS
        y = tl.program_id(1) * TILE_LINES
        y += row // (TILE_GROUPS * TILE_COLUMNS)
        position = (image * out_height + y) * out_width + x
        rows = position * GROUPS + group
        row_mask = tl.full((BLOCK_ROWS,), True, tl.int1)
    return (
        rows,
        position,
        group,
        row_mask,
        (x * STRIDE + ORIGIN).to(COMPUTE),
        (y * STRIDE + ORIGIN).to(COMPUTE),
        (image * height * width * GROUPS + group) * GROUP_CHANNELS,
    )


@triton.jit
def central_pixel(
    rows: tl.tensor, center_x: tl.tensor, center_y: tl.tensor, width: tl.tensor
) -> Any:
    """Return the number of the pixel at each kernel's centre."""
    line = center_y.to(tl.int32).to(rows.dtype)
    return line * width + center_x.to(tl.int32)


@triton.jit
def low_half(words: tl.tensor) -> Any:
    """Return the first bfloat16 of each 32-bit word."""
    return (words << 16).to(tl.float32, bitcast=True)


@triton.jit
def high_half(words: tl.tensor) -> Any:
    """Return the second bfloat16 of each 32-bit word."""
    return (words & -65536).to(tl.float32, bitcast=True)


@triton.jit
def pack_halves(low: tl.tensor, high: tl.tensor) -> Any:
    """Return words of two bfloat16, the first in the lower half."""
    low = low.to(tl.bfloat16).to(tl.uint16, bitcast=True).to(tl.uint32)
    high = high.to(tl.bfloat16).to(tl.uint16, bitcast=True).to(tl.uint32)
    return (low | (high << 16)).to(tl.int32, bitcast=True)


@triton.jit
def find_pixel(location: tl.tensor, size: tl.tensor) -> Any:
    """Return pixel below, fraction, and whether it and the next one exist.

    Locations that are far out or not finite are moved to where no pixel
    is, and a negative pixel is a large unsigned one.
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
def find_slopes(
    x: tl.tensor,
    y: tl.tensor,
    exists: tl.tensor,
    width: tl.tensor,
    height: tl.tensor,
) -> Any:
    """Return what :func:`find_pixel` does of x and y, for derivatives.

    A point on the outermost line has no slope. The fraction of one that is
    not finite is NaN, so that a divergence shows.
    """
    counts = (x > -1) & (y > -1) & exists
    column, fraction_x, left, right = find_pixel(x, width)
    line, fraction_y, top, bottom = find_pixel(y, height)
    fraction_x += x - x
    fraction_y += y - y
    top, bottom = top & counts, bottom & counts
    return column, fraction_x, left, right, line, fraction_y, top, bottom


@triton.jit
def first_position(
    tile: tl.tensor,
    WHOLE: tl.constexpr,
    REACH: tl.constexpr,
    STRIDE: tl.constexpr,
    ORIGIN: tl.constexpr,
) -> Any:
    """Return where the window of a tile begins that begins at a pixel.

    It is the first output position whose centre is at most ``REACH`` pixels
    before the tile; see :mod:`.triton_windows`.
    """
    if WHOLE:
        return tile * 0
    elif STRIDE == 1:
        return tile - (REACH + ORIGIN)
    else:
        # division rounds towards zero, so it must not be of negative numbers
        BACK: tl.constexpr = (REACH + max(ORIGIN, 0)) // STRIDE + 1
        SHIFT: tl.constexpr = (BACK + 1) * STRIDE - 1 - REACH - ORIGIN
        return (tile + SHIFT) // STRIDE - BACK
