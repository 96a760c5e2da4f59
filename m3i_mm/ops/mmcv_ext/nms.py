"""Non-maximum suppression: greedy, soft, and with the suppressed boxes.

All three are defined by a sequential procedure, box after box in the order of
the scores; equal scores keep the order of the input.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision
from torch import Tensor

from .boxes import overlaps
from .precision import at_least_float32

__all__ = ['nms', 'nms_match', 'softnms']

NAIVE, LINEAR, GAUSSIAN = 0, 1, 2


def _groups(
    boxes: Tensor,
    scores: Tensor,
    suppressed: Callable[[Tensor], Tensor],
    offset: int = 0,
) -> list[Tensor]:
    """Group boxes by the kept box that suppresses them.

    Args:
        boxes (Tensor): (N, 4).
        scores (Tensor): (N,).
        suppressed (Callable): Tells from the IoUs with a kept box, (M,),
            which boxes it suppresses, (M,) bool.
        offset (int): See :func:`.boxes.overlaps`.

    Returns:
        list[Tensor]: Indices, the kept box first, in the order of the scores.
    """
    order = scores.argsort(descending=True, stable=True)
    groups = []
    while order.numel():
        kept, rest = order[:1], order[1:]
        hit = suppressed(overlaps(boxes[kept], boxes[rest], offset))
        groups.append(torch.cat([kept, rest[hit]]))
        order = rest[~hit]
    return groups


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Keep the boxes that overlap no better-scored kept box.

    Args:
        boxes (Tensor): (N, 4), corners (x1, y1, x2, y2).
        scores (Tensor): (N,).
        iou_threshold (float): IoU above which a box is suppressed.
        offset (int): 1 where corners are pixel indices, else 0.

    Returns:
        Tensor: (K,) int64, indices of the kept boxes by falling score.
    """
    boxes, scores = at_least_float32(boxes), at_least_float32(scores)
    if offset == 0:
        # torchvision compares in float64, MMCV in float32, where an IoU can
        # equal the threshold
        threshold = torch.tensor(iou_threshold, dtype=torch.float32).item()
        return torchvision.ops.nms(boxes, scores.to(boxes), threshold)
    groups = _groups(
        boxes.cpu(), scores.cpu(), lambda iou: iou > iou_threshold, offset
    )
    kept = [int(group[0]) for group in groups]
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Group boxes by the kept box that suppresses them.

    Args:
        dets (Tensor): (N, 5), corners and score.
        iou_threshold (float): IoU from which a box is suppressed.

    Returns:
        list[list[int]]: Indices of each group, the kept box first, in the
        order of the scores.
    """
    dets = at_least_float32(dets)
    groups = _groups(dets[:, :4], dets[:, 4], lambda iou: iou >= iou_threshold)
    return [group.tolist() for group in groups]


def _decay(
    iou: Tensor, iou_threshold: float, sigma: float, method: int
) -> Tensor:
    """Return the factors, (M,), that soft NMS applies to the scores."""
    if method == GAUSSIAN:
        return torch.exp(-(iou * iou) / sigma)
    weight = torch.zeros_like(iou) if method == NAIVE else 1 - iou
    return torch.where(iou >= iou_threshold, weight, 1.0)


def _compacted(keep: Tensor) -> Tensor:
    """Return the positions of the kept items in MMCV's order, (K,).

    MMCV overwrites each discarded item by the last one, so the kept items
    from the end fill the gaps, backwards. The order decides between boxes of
    equal score.
    """
    count = int(keep.sum())
    positions = torch.arange(count)
    positions[~keep[:count]] = count + keep[count:].nonzero()[:, 0].flip(0)
    return positions


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Lower the scores of overlapping boxes (Bodla et al., ICCV 2017).

    Args:
        boxes (Tensor): (N, 4) on the CPU, corners (x1, y1, x2, y2).
        scores (Tensor): (N,).
        dets (Tensor): (N, 5). Output: the first K rows take corners and the
            lowered score of the kept boxes.
        iou_threshold (float): IoU from which ``NAIVE`` and ``LINEAR`` act.
        sigma (float): Width of ``GAUSSIAN``.
        min_score (float): Boxes are dropped when their score falls below.
        method (int): ``NAIVE`` drops overlapping boxes, ``LINEAR`` multiplies
            their scores by 1 - IoU, ``GAUSSIAN`` by exp(-IoU^2 / sigma).
        offset (int): 1 where corners are pixel indices, else 0.

    Returns:
        Tensor: (K,) int64, indices of the kept boxes by falling score.
    """
    rest = at_least_float32(torch.cat([boxes, scores[:, None]], dim=1))
    indices = torch.arange(len(rest))
    kept = 0
    order = torch.empty_like(indices)
    while len(rest):
        top = int(rest[:, 4].argmax())
        dets[kept], order[kept] = rest[top], indices[top]
        kept += 1
        best = rest[top].clone()
        rest[top], indices[top] = rest[0], indices[0].clone()
        rest, indices = rest[1:], indices[1:]
        iou = overlaps(best[:4], rest[:, :4], offset)
        rest[:, 4] *= _decay(iou, iou_threshold, sigma, method)
        positions = _compacted(~(rest[:, 4] < min_score))
        rest, indices = rest[positions], indices[positions]
    return order[:kept]
