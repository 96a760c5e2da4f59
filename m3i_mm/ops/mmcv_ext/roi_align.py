"""RoIAlign (Mask R-CNN, ICCV 2017, section 3)."""

from __future__ import annotations

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor

from .precision import at_least_float32
from .roi_align_max import max_backward, max_forward

__all__ = ['roi_align_backward', 'roi_align_forward']

MAX = 0  # the other pool mode is the average


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the pooled regions of interest into ``output``.

    Args:
        input (Tensor): (B, C, H, W).
        rois (Tensor): (R, 5), index in the batch and corners (x1, y1, x2, y2)
            in pixels of the image.
        output (Tensor): (R, C, PH, PW). Output.
        argmax_y (Tensor): (R, C, PH, PW), or empty for the average. Output:
            row of the winning point, -1 where there is none.
        argmax_x (Tensor): Output: its column.
        aligned_height (int): PH, number of bins.
        aligned_width (int): PW.
        spatial_scale (float): Pixels of the map per pixel of the image.
        sampling_ratio (int): Points per bin and axis; 0 takes about one per
            pixel of the map.
        pool_mode (int): 0 for the maximum, 1 for the average.
        aligned (bool): Whether pixel centres lie at half-integers.
    """
    maps, rois = at_least_float32(input), at_least_float32(rois)
    bins = (aligned_height, aligned_width)
    if pool_mode == MAX:
        max_forward(
            maps,
            rois,
            output,
            argmax_y,
            argmax_x,
            spatial_scale,
            sampling_ratio,
            aligned,
        )
        return
    output.copy_(
        torch.ops.torchvision.roi_align(
            maps, rois.to(maps), spatial_scale, *bins, sampling_ratio, aligned
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the derivative by the map into ``grad_input``.

    Arguments as of :func:`roi_align_forward`; ``grad_output`` is
    (R, C, PH, PW) and ``grad_input``, (B, C, H, W) of zeros, the output.
    """
    if pool_mode == MAX:
        max_backward(grad_output, rois, argmax_y, argmax_x, grad_input)
        return
    grad = at_least_float32(grad_output)
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            grad,
            rois.to(grad),
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
    )
