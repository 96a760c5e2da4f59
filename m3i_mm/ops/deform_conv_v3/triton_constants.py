"""What all kernels of DCNv3 are compiled for, from the arguments of a call."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from m3i_mm.ops.triton_launch import needs_wide_index

from .geometry import Geometry

__all__ = [
    'compute_dtype',
    'has_aligned_pairs',
    'import_kernels',
    'sampling_constants',
    'tile_constants',
]


def import_kernels() -> ModuleType:
    """Import the kernels, and Triton with them."""
    from . import triton_kernels

    return triton_kernels


def compute_dtype(input: Tensor) -> torch.dtype:
    """Return the dtype of the arithmetic: float32, or float64."""
    return torch.promote_types(input.dtype, torch.float32)


def has_aligned_pairs(tensor: Tensor) -> bool:
    """Whether two neighbours can be loaded as one word of twice the size."""
    return tensor.storage_offset() % 2 == 0


def sampling_constants(
    geometry: Geometry, input: Tensor, offset: Tensor, *others: Tensor
) -> dict[str, Any]:
    """Return the constants that every kernel has.

    Args:
        geometry (Geometry): The constants of the call.
        input (Tensor): Shape (N, H, W, C).
        offset (Tensor): Shape (N, Ho, Wo, G*P*2).
        *others (Tensor): What else is indexed.

    Returns:
        dict: By name.
    """
    tl = import_kernels().tl
    return dict(
        KERNEL_SIZE=geometry.kernel_size,
        STRIDE=geometry.stride,
        DILATION=geometry.dilation,
        ORIGIN=geometry.origin,
        OFFSET_SCALE=float(geometry.offset_scale),
        REMOVE_CENTER=geometry.remove_center,
        TAPS=geometry.taps,
        GROUPS=geometry.groups,
        GROUP_CHANNELS=input.shape[-1] // geometry.groups,
        WIDE_INDEX=needs_wide_index(input, offset, *others),
        COMPUTE=tl.float64 if input.dtype == torch.float64 else tl.float32,
        PACKED_OFFSET=offset.dtype in (torch.bfloat16, torch.float32)
        and has_aligned_pairs(offset),
    )


def tile_constants(
    geometry: Geometry, mask: Tensor, rows: int
) -> dict[str, int]:
    """Return the positions of a program that does not have rows in a line.

    A tile in two dimensions reads fewer different pixels than a line of as
    many positions. It has as many groups as a power of two can, which lie side
    by side in memory, and is as wide as high, or twice.

    Args:
        geometry (Geometry): The constants of the call.
        mask (Tensor): Shape (N, Ho, Wo, G*P).
        rows (int): Rows of a program, a power of two.

    Returns:
        dict[str, int]: Lines and columns of a tile by the constants' names;
        zeros for rows in a line, where tiles would not fill the map.
    """
    height, width = mask.shape[1:3]
    groups = math.gcd(geometry.groups, rows)
    lines = 1 << ((rows // groups).bit_length() - 1) // 2
    columns = rows // groups // lines
    if lines == 1 or height % lines or width % columns:
        lines = columns = 0
    return dict(TILE_LINES=lines, TILE_COLUMNS=columns)
