"""RoIPool (Fast R-CNN, section 2.1) with MMCV's unrounded regions.

torchvision rounds the corners of a region to whole pixels, MMCV only those of
its bins, so the values are computed here; the gradient, which follows the
stored positions of the maxima, is torchvision's.
"""

from __future__ import annotations

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor

from .precision import at_least_float32

__all__ = ['roi_pool_backward', 'roi_pool_forward']


def _edges(start: Tensor, end: Tensor, bins: int, limit: int) -> Tensor:
    """Return first and past-the-end pixels of the bins, (2, R, bins)."""
    index = torch.arange(bins, device=start.device)
    bin_size = ((end - start) / bins)[:, None]
    first = (index * bin_size + start[:, None]).floor()
    last = ((index + 1) * bin_size + start[:, None]).ceil()
    return torch.stack([first, last]).long().clamp(0, limit)


def _windows(edges: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pixels of each bin, (R, K), and which of them are in it."""
    first, last = edges
    length = int((last - first).max().clamp(min=1))
    pixels = first[:, None] + torch.arange(length, device=first.device)
    return pixels, pixels < last[:, None]


def _max_of_bins(
    maps: Tensor, batch: Tensor, y_edges: Tensor, x_edges: Tensor
) -> tuple[Tensor, Tensor]:
    """Return maximum, (R, C), and its flat position in one bin per region."""
    height, width = maps.shape[-2:]
    y, y_inside = _windows(y_edges)
    x, x_inside = _windows(x_edges)
    y, x = y[:, :, None], x[:, None, :]
    values = maps.permute(0, 2, 3, 1)[  # (R, KH, KW, C)
        batch[:, None, None], y.clamp(max=height - 1), x.clamp(max=width - 1)
    ]
    inside = y_inside[:, :, None] & x_inside[:, None, :]
    values = values.masked_fill(~inside[..., None], -torch.inf)
    best, winner = values.flatten(1, 2).max(dim=1)
    position = (y * width + x).flatten(1).gather(1, winner)
    empty = ~inside.flatten(1).any(dim=1)[:, None]
    return best.masked_fill(empty, 0), position.masked_fill(empty, -1)


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the maxima of the bins of each region into ``output``.

    Args:
        input (Tensor): (B, C, H, W).
        rois (Tensor): (R, 5), index in the batch and corners (x1, y1, x2, y2)
            in pixels of the image, inclusive.
        output (Tensor): (R, C, PH, PW). Output, 0 for an empty bin.
        argmax (Tensor): (R, C, PH, PW) int32. Output: position of the
            maximum in the flattened map, -1 for an empty bin.
        pooled_height (int): PH, number of bins.
        pooled_width (int): PW.
        spatial_scale (float): Pixels of the map per pixel of the image.
    """
    if len(rois) == 0:
        return
    maps, rois = at_least_float32(input), at_least_float32(rois)
    batch = rois[:, 0].long()
    x1, y1 = (rois[:, 1:3] * spatial_scale).unbind(1)
    x2, y2 = ((rois[:, 3:] + 1) * spatial_scale).unbind(1)
    degenerate = (x2 <= x1) | (y2 <= y1)
    y_edges = _edges(y1, y2, pooled_height, input.shape[2])
    x_edges = _edges(x1, x2, pooled_width, input.shape[3])
    x_edges[1, degenerate] = x_edges[0, degenerate]
    for i in range(pooled_height):
        for j in range(pooled_width):
            output[:, :, i, j], argmax[:, :, i, j] = _max_of_bins(
                maps, batch, y_edges[:, :, i], x_edges[:, :, j]
            )


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the derivative by the map into ``grad_input``.

    Arguments as of :func:`roi_pool_forward`; ``grad_output`` is
    (R, C, PH, PW) and ``grad_input`` (B, C, H, W) the output.
    """
    grad = at_least_float32(grad_output)
    grad_input.copy_(
        torch.ops.torchvision._roi_pool_backward(
            grad,
            rois.to(grad),
            argmax,
            spatial_scale,
            pooled_height,
            pooled_width,
            *grad_input.shape,
        )
    )
