"""Selecting boxes without shapes that depend on their values."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import nms

__all__ = ['Selected', 'best', 'suppress']

# of places that no box fills
NOTHING = -1.0


class Selected(NamedTuple):
    """The best boxes of each image.

    Attributes:
        scores (Tensor): Falling, ``(B, K)``; negative where there is none.
        indices (Tensor): Which of the candidates they are, ``(B, K)``.
    """

    scores: Tensor
    indices: Tensor


def best(scores: Tensor, count: int) -> Selected:
    """Select the highest scores, as many as are asked for.

    Args:
        scores (Tensor): ``(B, N)``, N is free.
        count (int): How many, K; fewer than that are filled up.

    Returns:
        Selected: Filled up with negative scores and the index 0.
    """
    numbers = torch.arange(scores.shape[1], device=scores.device)
    filling = scores.new_full((scores.shape[0], count), NOTHING)
    values, order = torch.cat([scores, filling], 1).topk(count)
    zeros = numbers.new_zeros(count)
    return Selected(values, torch.cat([numbers, zeros])[order])


def suppress(
    boxes: Tensor, scores: Tensor, groups: Tensor, overlap: float, count: int
) -> Selected:
    """Suppress boxes that overlap with better ones of their group.

    As MMCV's ``batched_nms``, of all images at once: groups are moved apart
    from one another down, images to the right.

    Args:
        boxes (Tensor): ``(B, N, 4)``, left, top, right and bottom.
        scores (Tensor): ``(B, N)``; what is negative is never selected.
        groups (Tensor): Numbers of groups from 0, ``(B, N)``.
        overlap (float): Intersection over union that is still allowed.
        count (int): How many boxes of an image, K.

    Returns:
        Selected: See :func:`best`.
    """
    apart = boxes.max() - boxes.min() + 1
    images = torch.arange(boxes.shape[0], device=boxes.device)
    right = images[:, None].expand_as(groups)
    move = torch.stack([right, groups, right, groups], -1).to(boxes) * apart
    kept = nms((boxes + move).flatten(0, 1), scores.flatten(), overlap)
    chosen = torch.zeros_like(scores).flatten()
    chosen = chosen.scatter(0, kept, torch.ones_like(kept).to(chosen))
    chosen = chosen.view_as(scores) > 0
    return best(scores.where(chosen, scores.new_tensor(NOTHING)), count)
