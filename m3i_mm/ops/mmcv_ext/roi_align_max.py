"""RoIAlign with maximum pooling, which torchvision does not have.

Of the sampling points of a bin the one with the largest value wins. Its
position is stored, and through it alone the gradient flows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .precision import at_least_float32

__all__ = ['max_backward', 'max_forward']


class _Grid(NamedTuple):
    """Sampling points of R regions of interest with equally fine grids."""

    y: Tensor  # (R, PH * GH)
    x: Tensor  # (R, PW * GW)
    height: int  # GH, points per bin
    width: int  # GW


class _Corners(NamedTuple):
    """The four pixels around each of some points, and their weights."""

    y: Tensor  # (4, ...) int64
    x: Tensor  # (4, ...) int64
    weight: Tensor  # (4, ...), all zero outside of the map


def _corners(y: Tensor, x: Tensor, height: int, width: int) -> _Corners:
    """Return the corners of bilinear interpolation at (y, x).

    A point up to one pixel outside of the map takes the value of the border,
    a point further away takes zero.
    """
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    y_low, x_low = y.long(), x.long()
    y_high = (y_low + 1).clamp(max=height - 1)
    x_high = (x_low + 1).clamp(max=width - 1)
    ly, lx = y - y_low, x - x_low
    hy, hx = 1 - ly, 1 - lx
    weight = torch.stack([hy * hx, hy * lx, ly * hx, ly * lx]) * inside
    return _Corners(
        torch.stack([y_low, y_low, y_high, y_high]),
        torch.stack([x_low, x_high, x_low, x_high]),
        weight,
    )


def _points(start: Tensor, size: Tensor, bins: int, count: int) -> Tensor:
    """Return ``count`` points in each of ``bins`` bins, (R, bins * count)."""
    index = torch.arange(bins * count, device=start.device)
    bin_index = index.div(count, rounding_mode='floor')
    fraction = (index % count).to(start) + 0.5
    bin_size = (size / bins)[:, None]
    return start[:, None] + bin_index * bin_size + fraction * bin_size / count


def _grid_sizes(size: Tensor, bins: int, sampling_ratio: int) -> Tensor:
    """Return the number of points per bin along one axis, (R,) int64."""
    if sampling_ratio > 0:
        return torch.full_like(size, sampling_ratio, dtype=torch.long)
    return (size / bins).ceil().long().clamp(min=0)


def _grids(
    rois: Tensor,
    bins: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> list[tuple[Tensor, _Grid]]:
    """Return the sampling points, grouped by the fineness of their grid.

    Returns:
        list: Pairs of the rows of ``rois`` in a group and their points.
        Empty regions, which have no points, are left out.
    """
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    start, size = corners[:, :2], corners[:, 2:] - corners[:, :2]  # (x, y)
    if not aligned:
        size = size.clamp(min=1)
    fineness = torch.stack(
        [
            _grid_sizes(size[:, 1], bins[0], sampling_ratio),
            _grid_sizes(size[:, 0], bins[1], sampling_ratio),
        ],
        dim=1,
    )
    groups = []
    for height, width in fineness.unique(dim=0).tolist():
        if height == 0 or width == 0:
            continue
        rows = (fineness == fineness.new_tensor([height, width])).all(1)
        rows = rows.nonzero()[:, 0]
        y = _points(start[rows, 1], size[rows, 1], bins[0], height)
        x = _points(start[rows, 0], size[rows, 0], bins[1], width)
        groups.append((rows, _Grid(y, x, height, width)))
    return groups


def _by_bin(values: Tensor, bins: tuple[int, int], grid: _Grid) -> Tensor:
    """(R, PH * GH, PW * GW, ...) -> (R, PH, PW, ..., GH * GW)."""
    values = values.unflatten(2, (bins[1], grid.width))
    values = values.unflatten(1, (bins[0], grid.height))
    return values.movedim((2, 4), (-2, -1)).flatten(-2)


def _sample(input: Tensor, batch: Tensor, grid: _Grid) -> Tensor:
    """Interpolate at the points of the grid, (R, PH * GH, PW * GW, C)."""
    y, x, weight = _corners(
        grid.y[:, :, None], grid.x[:, None, :], *input.shape[-2:]
    )
    maps = input.permute(0, 2, 3, 1)  # (B, C, H, W) -> (B, H, W, C)
    pixels = maps[batch[:, None, None], y, x]  # (4, R, PH*GH, PW*GW, C)
    return (weight[..., None] * pixels).sum(dim=0)


def _positions(
    winner: Tensor, bins: tuple[int, int], grid: _Grid
) -> tuple[Tensor, Tensor]:
    """Return row and column of the winning points, (R, PH, PW, C) each."""
    y_index = winner.div(grid.width, rounding_mode='floor')
    x_index = winner % grid.width
    y = grid.y.view(-1, bins[0], 1, grid.height)
    x = grid.x.view(-1, 1, bins[1], grid.width)
    shape = winner.shape[:3]
    return (
        y.expand(*shape, -1).gather(-1, y_index),
        x.expand(*shape, -1).gather(-1, x_index),
    )


def max_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """Write maxima and their positions; see :func:`.roi_align_forward`."""
    # MMCV's kernels start from these values and keep them for empty regions
    cpu = input.device.type == 'cpu'
    lowest = -1e4 if cpu else torch.finfo(torch.float32).min
    output.fill_(lowest)
    argmax_y.fill_(-1)
    argmax_x.fill_(-1)
    bins = (output.shape[2], output.shape[3])
    for rows, grid in _grids(
        rois, bins, spatial_scale, sampling_ratio, aligned
    ):
        samples = _sample(input, rois[rows, 0].long(), grid)
        best, winner = _by_bin(samples, bins, grid).max(dim=-1)
        y, x = _positions(winner, bins, grid)
        found = best > lowest
        for target, value, default in (
            (output, best, lowest),
            (argmax_y, y, -1),
            (argmax_x, x, -1),
        ):
            value = torch.where(found, value, default).to(target)
            target[rows] = value.permute(0, 3, 1, 2)


def max_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
) -> None:
    """Write the derivative by the map; see :func:`.roi_align_backward`."""
    grad = at_least_float32(grad_input)
    argmax_y, argmax_x = argmax_y.to(grad), argmax_x.to(grad)
    corners = _corners(argmax_y, argmax_x, *grad.shape[-2:])
    weight = corners.weight * (argmax_y != -1)  # (4, R, C, PH, PW)
    batch = rois[:, 0].long().view(1, -1, 1, 1, 1)
    channel = torch.arange(grad.shape[1], device=grad.device)
    grad.index_put_(
        (batch, channel.view(1, 1, -1, 1, 1), corners.y, corners.x),
        grad_output.to(grad) * weight,
        accumulate=True,
    )
    grad_input.copy_(grad)
