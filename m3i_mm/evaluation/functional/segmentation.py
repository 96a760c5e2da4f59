"""What patches and pixels of label maps say: class shares and IoU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['class_shares', 'confusion_matrix', 'intersection_over_union']


def class_shares(
    labels: Tensor, grid: tuple[int, int], num_classes: int
) -> Tensor:
    """Share of each class in the pixels of every patch.

    Args:
        labels (Tensor): Label map, (H, W); what is no class is ignored.
        grid (tuple[int, int]): Rows and columns of patches, h and w.
        num_classes (int): Number of classes K.

    Returns:
        Tensor: (h * w, K). A row adds up to the share of the patch's pixels
        that have a class.
    """
    (height, width), (rows, columns) = labels.shape, grid
    row = torch.arange(height) * rows // height
    column = torch.arange(width) * columns // width
    cell = (row[:, None] * columns + column).flatten()  # (H * W,)
    pixels = cell.bincount(minlength=rows * columns)
    classes = labels.flatten().long().cpu()
    valid = (classes >= 0) & (classes < num_classes)
    pairs = cell[valid] * num_classes + classes[valid]
    counts = pairs.bincount(minlength=rows * columns * num_classes)
    return counts.view(-1, num_classes) / pixels[:, None]


def confusion_matrix(scores: Tensor, labels: Tensor) -> Tensor:
    """Count pixels by their class and the class that scores best.

    Args:
        scores (Tensor): Scores of patches, (K, h, w); brought to the size of
            the label map by bilinear interpolation.
        labels (Tensor): Label map, (H, W); what is no class is ignored.

    Returns:
        Tensor: (K, K), long: row by label, column by prediction.
    """
    count = len(scores)
    size = (labels.shape[0], labels.shape[1])
    scores = F.interpolate(scores[None], size, mode='bilinear')
    predicted = scores[0].argmax(0)  # (H, W)
    labels = labels.to(scores.device, torch.long)
    valid = (labels >= 0) & (labels < count)
    pairs = labels[valid] * count + predicted[valid]
    return pairs.bincount(minlength=count**2).view(count, count)


def intersection_over_union(confusion: Tensor) -> Tensor:
    """Intersection over union of each class.

    Args:
        confusion (Tensor): See :func:`confusion_matrix`; (K, K).

    Returns:
        Tensor: (K,), float64, in [0, 1]; NaN for a class without a pixel.
    """
    hits, truth = confusion.diagonal().double(), confusion.sum(1)
    found = hits / (truth + confusion.sum(0) - hits)
    return found.where(truth > 0, torch.nan)
