"""Which output positions the gradient of a tile of the input is gathered from.

A program of :mod:`.triton_gather` owns a tile of pixels of one group, and
visits output positions in chunks of a warp: all of a small map, or those of a
window around its tile. A pixel's gradient from positions outside of the window
of its tile is added atomically, see :mod:`.triton_backward`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .geometry import Geometry

__all__ = ['CHUNK', 'TILE_HEIGHT', 'TILE_WIDTH', 'Windows', 'choose_windows']

TILE_HEIGHT = 4
TILE_WIDTH = 8
CHUNK = 32
# Learned offset, in pixels, that every sample may have inside its window.
_FREEDOM = 3
# A map of so few chunks costs about as much as a window on it.
_SMALL_MAP = 8


class Windows(NamedTuple):
    """The windows of all tiles.

    Args:
        whole (bool): Whether each is the whole map.
        reach (int): Pixels around the tile whose positions are inside, where
            it is not the whole map.
        chunk_width (int): Positions of a chunk side by side.
        across (int): Chunks side by side.
        down (int): Chunks one below the other.
    """

    whole: bool
    reach: int
    chunk_width: int
    across: int
    down: int

    @property
    def width(self) -> int:
        """Positions of a window side by side."""
        return self.across * self.chunk_width

    @property
    def height(self) -> int:
        """Positions of a window one below the other."""
        return self.down * (CHUNK // self.chunk_width)


def choose_windows(
    geometry: Geometry, out_height: int, out_width: int, whole: bool = False
) -> Windows:
    """Return the windows that take the fewest chunks.

    Args:
        geometry (Geometry): The constants of the call.
        out_height (int): Height of the output's map.
        out_width (int): Its width.
        whole (bool): Whether every position must be visited. Small maps are
            in any case. Defaults to False.

    Returns:
        Windows: For all tiles.
    """
    small = _fewest_chunks(True, 0, out_height, out_width)
    if whole or small.across * small.down <= _SMALL_MAP:
        return small
    span = geometry.dilation * (geometry.kernel_size - 1)
    farthest = max(geometry.half, span - geometry.half)
    reach = math.ceil(abs(geometry.offset_scale) * farthest) + _FREEDOM
    return _fewest_chunks(
        False,
        reach,
        *(
            (size - 1 + 2 * reach) // geometry.stride + 1
            for size in (TILE_HEIGHT, TILE_WIDTH)
        ),
    )


def _fewest_chunks(
    whole: bool, reach: int, height: int, width: int
) -> Windows:
    """Cover a map; of equals, wide chunks have fewer taps in a tile."""
    choices = (
        Windows(
            whole,
            reach,
            chunk_width,
            -(-width // chunk_width),
            -(-height // (CHUNK // chunk_width)),
        )
        for chunk_width in (32, 16, 8)
    )
    return min(choices, key=lambda windows: windows.across * windows.down)
