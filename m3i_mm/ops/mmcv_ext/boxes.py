"""Overlap of axis-aligned boxes."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ['bbox_overlaps']

IOU, IOF = 0, 1


def _area(boxes: Tensor, offset: int) -> Tensor:
    width_height = boxes[..., 2:] - boxes[..., :2] + offset
    return width_height[..., 0] * width_height[..., 1]


def overlaps(
    boxes1: Tensor, boxes2: Tensor, offset: int = 0, mode: int = IOU
) -> Tensor:
    """Compute the overlap of boxes whose leading dimensions broadcast.

    Args:
        boxes1 (Tensor): (..., 4), corners (x1, y1, x2, y2).
        boxes2 (Tensor): (..., 4).
        offset (int): 1 where corners are pixel indices, so that a box is
            ``x2 - x1 + 1`` wide, else 0.
        mode (int): ``IOU``, intersection over union, or ``IOF``,
            intersection over the area of ``boxes1``.

    Returns:
        Tensor: (...), the ratio, NaN where its denominator is zero.
    """
    top_left = torch.maximum(boxes1[..., :2], boxes2[..., :2])
    bottom_right = torch.minimum(boxes1[..., 2:], boxes2[..., 2:])
    sides = (bottom_right - top_left + offset).clamp(min=0)
    intersection = sides[..., 0] * sides[..., 1]
    total = _area(boxes1, offset)
    if mode == IOU:
        total = total + _area(boxes2, offset) - intersection
    return intersection / total


def bbox_overlaps(
    bboxes1: Tensor,
    bboxes2: Tensor,
    ious: Tensor,
    mode: int,
    aligned: bool,
    offset: int,
) -> None:
    """Write the overlaps of two sets of boxes into ``ious``.

    Args:
        bboxes1 (Tensor): (M, 4), corners (x1, y1, x2, y2).
        bboxes2 (Tensor): (N, 4), with N = M if ``aligned``.
        ious (Tensor): (M, N), or (M,) if ``aligned``. Output.
        mode (int): ``IOU`` or ``IOF``, see :func:`overlaps`.
        aligned (bool): Whether the i-th box is compared to the i-th only.
        offset (int): See :func:`overlaps`.
    """
    if not aligned:
        bboxes1 = bboxes1[:, None]  # (M, 4) -> (M, 1, 4)
    ious.copy_(overlaps(bboxes1, bboxes2, offset, mode))
