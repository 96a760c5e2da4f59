"""What all kernels of DCNv3 are compiled for, from the arguments of a call."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from m3i_mm.ops.triton_launch import needs_wide_index

from .geometry import Geometry
from .triton_sources import Sources

__all__ = [
    'compute_dtype',
    'has_aligned_pairs',
    'import_kernels',
    'row_grid',
    'sampling_constants',
    'tile_constants',
]

# What CUDA allows in the second and third dimension of a grid.
_MOST_PROGRAMS = 65535


def import_kernels() -> ModuleType:
    """Import the kernels, and Triton with them."""
    from . import triton_kernels

    return triton_kernels


def compute_dtype(input: Tensor) -> torch.dtype:
    """Return the dtype of the arithmetic: float32, or float64."""
    return torch.promote_types(input.dtype, torch.float32)


def has_aligned_pairs(tensor: Tensor, *strides: int) -> bool:
    """Whether two neighbours can be loaded as one word of twice the size.

    Args:
        tensor (Tensor): In whose storage they lie.
        *strides (int): Distances from the first pair to the others.
    """
    return all(n % 2 == 0 for n in (tensor.storage_offset(), *strides))


def sampling_constants(
    geometry: Geometry, input: Tensor, sources: Sources, *others: Tensor
) -> dict[str, Any]:
    """Return the constants that every kernel has.

    Args:
        geometry (Geometry): The constants of the call.
        input (Tensor): Shape (N, H, W, C).
        sources (Sources): Where the numbers of a row are.
        *others (Tensor): What else is indexed.

    Returns:
        dict: By name.
    """
    tl = import_kernels().tl
    offset, mask, gate = sources.points(geometry)
    return dict(
        KERNEL_SIZE=geometry.kernel_size,
        STRIDE=geometry.stride,
        DILATION=geometry.dilation,
        ORIGIN=geometry.origin,
        OFFSET_SCALE=float(geometry.offset_scale),
        REMOVE_CENTER=geometry.remove_center,
        OFFSET_STRIDE=offset.stride(0),
        OFFSET_GROUP=offset.stride(1),
        MASK_STRIDE=mask.stride(0),
        MASK_GROUP=mask.stride(1),
        GATE_STRIDE=0 if gate is None else gate.stride(0),
        GATE_GROUP=0 if gate is None else gate.stride(1),
        SOFTMAX=sources.layout.softmax,
        GROUPS=geometry.groups,
        GROUP_CHANNELS=input.shape[-1] // geometry.groups,
        WIDE_INDEX=needs_wide_index(input, sources.offset, *others),
        COMPUTE=tl.float64 if input.dtype == torch.float64 else tl.float32,
        PACKED_OFFSET=offset.dtype in (torch.bfloat16, torch.float32)
        and has_aligned_pairs(offset, offset.stride(0), offset.stride(1)),
    )


def tile_constants(
    geometry: Geometry, output: Tensor, rows: int
) -> dict[str, int]:
    """Return the positions of a program that does not have rows in a line.

    A tile in two dimensions reads fewer different pixels than a line of as
    many positions. It has as many groups as a power of two can, which lie side
    by side in memory, and is as wide as high, or twice.

    Args:
        geometry (Geometry): The constants of the call.
        output (Tensor): Shape (N, Ho, Wo, C).
        rows (int): Rows of a program, a power of two.

    Returns:
        dict[str, int]: Lines and columns of a tile by the constants' names;
        zeros for rows in a line, where tiles would not fill the map.
    """
    batch, height, width, _ = output.shape
    groups = math.gcd(geometry.groups, rows)
    lines = 1 << ((rows // groups).bit_length() - 1) // 2
    columns = rows // groups // lines
    fits = height % lines == 0 and width % columns == 0
    if lines == 1 or not fits or max(batch, height) > _MOST_PROGRAMS:
        lines = columns = 0
    return dict(TILE_LINES=lines, TILE_COLUMNS=columns)


def row_grid(
    geometry: Geometry,
    output: Tensor,
    rows: int,
    lines: int,
    columns: int,
) -> tuple[int, ...]:
    """Return the programs that share all rows.

    Args:
        geometry (Geometry): The constants of the call.
        output (Tensor): Shape (N, Ho, Wo, C).
        rows (int): Rows of a program, a power of two.
        lines (int): Lines of a program's tile, 0 for rows in a line.
        columns (int): Its columns.

    Returns:
        tuple[int, ...]: Of all rows, or of the tiles of a line with their
        groups first, tiles below each other, and images. So no program has to
        divide by the size of a map.
    """
    batch, height, width, channels = output.shape
    if lines == 0:
        row_count = output.numel() * geometry.groups // channels
        return (-(-row_count // rows),)
    blocks = geometry.groups * lines * columns // rows
    return width // columns * blocks, height // lines, batch
