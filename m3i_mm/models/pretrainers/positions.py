"""Where target patches lie, seen from the input view (SiameseIM, section 3).

A view is a crop of the image, possibly mirrored. Coordinates count patches of
the *input* view from its top-left corner, so a target of another view asks
"what is at this place, at this scale?". Facts: m3i paper, caption of Figure 2;
formulas: Tao et al., Siamese Image Modeling.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    'grid_coordinates',
    'grid_embedding',
    'relative_coordinates',
    'relative_embedding',
]

# SiameseIM stretches log-scales to the range of the coordinates
LOG_SCALE = 10.0


def grid_coordinates(grid: tuple[int, int], like: Tensor) -> Tensor:
    """Return rows and columns of the cells of a grid.

    Args:
        grid (tuple[int, int]): Rows and columns.
        like (Tensor): Gives device and floating-point type.

    Returns:
        Tensor: ``(rows * columns, 2)``, row-major, integers as floats of at
        least 32 bits.
    """
    dtype = torch.promote_types(like.dtype, torch.float32)
    rows, columns = (
        torch.arange(size, device=like.device, dtype=dtype) for size in grid
    )
    return torch.cartesian_prod(rows, columns)


def relative_coordinates(
    input_view: Tensor,
    target_view: Tensor,
    input_grid: tuple[int, int],
    target_grid: tuple[int, int],
) -> Tensor:
    """Locate the patches of a target view in an input view.

    Args:
        input_view (Tensor): Geometry of the input views, ``(B, 7)``: top,
            left, height, width of the crop in pixels of the un-mirrored
            image, 1 if the crop was mirrored, height and width of the image.
        target_view (Tensor): Geometry of the target views, ``(B, 7)``.
        input_grid (tuple[int, int]): Patches of the input view.
        target_grid (tuple[int, int]): Patches of the target view.

    Returns:
        Tensor: ``(B, T, 4)``: row and column of each patch centre in patches
        of the input view, natural logarithms of its relative height and
        width.
    """
    cells = grid_coordinates(target_grid, input_view) + 0.5
    # fractions of the target view: (T,)
    down = cells[:, 0] / target_grid[0]
    right = cells[:, 1] / target_grid[1]
    top, left, height, width, flip = input_view[:, :5, None].unbind(1)
    t_top, t_left, t_height, t_width, t_flip = target_view[:, :5, None].unbind(
        1
    )
    right = torch.where(t_flip > 0, 1 - right, right)
    # pixels of the image, then fractions of the input view: (B, T)
    down = (t_top + down * t_height - top) / height
    right = (t_left + right * t_width - left) / width
    right = torch.where(flip > 0, 1 - right, right)
    scales = torch.stack([t_height / height, t_width / width], -1).log()
    centres = torch.stack(
        [down * input_grid[0] - 0.5, right * input_grid[1] - 0.5], -1
    )
    return torch.cat([centres, scales.expand_as(centres)], -1)


def _sincos(coordinates: Tensor, dims: int) -> Tensor:
    """Embed every coordinate by sines and cosines, ``(..., D) -> (..., D*n)``.

    Frequencies are ``10000 ** (-k / (n / 2))``, k = 0 ... n/2 - 1.
    """
    steps = torch.arange(
        dims // 2, device=coordinates.device, dtype=torch.float64
    )
    frequencies = (10000.0 ** (-steps / (dims // 2))).to(coordinates.dtype)
    angles = coordinates[..., None] * frequencies
    # (..., D, n/2) twice -> (..., D * n)
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(-2)


def grid_embedding(coordinates: Tensor, embed_dims: int) -> Tensor:
    """Embed rows and columns with ``embed_dims / 2`` values each (MAE).

    Args:
        coordinates (Tensor): ``(..., 2 or more)``; only the first two count.
        embed_dims (int): Width of the embedding, a multiple of 4.

    Returns:
        Tensor: ``(..., embed_dims)``, rows first.
    """
    return _sincos(coordinates[..., :2], embed_dims // 2)


def relative_embedding(coordinates: Tensor, embed_dims: int) -> Tensor:
    """Embed positions and scales (SiameseIM's relative positions).

    Args:
        coordinates (Tensor): ``(..., 4)`` as of :func:`relative_coordinates`.
        embed_dims (int): Width D of the decoder, a multiple of 4.

    Returns:
        Tensor: ``(..., 2 * embed_dims)``: rows, columns, then ten times the
        logarithms of relative height and width.
    """
    places, scales = coordinates.split(2, -1)
    stretched = torch.cat([places, LOG_SCALE * scales], -1)
    return _sincos(stretched, embed_dims // 2)
