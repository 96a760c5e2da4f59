"""Numbers that show a collapse before the loss does."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ['effective_rank', 'feature_std']


@torch.no_grad()
def feature_std(features: Tensor) -> Tensor:
    """Standard deviation of unit-length features over the batch.

    Args:
        features (Tensor): ``(B, C)``.

    Returns:
        Tensor: Mean over channels times ``sqrt(C)``: 1 for features spread
        evenly over the sphere, 0 if all are the same.
    """
    unit = F.normalize(features.float(), dim=1)
    return unit.std(dim=0, unbiased=False).mean() * unit.shape[1] ** 0.5


@torch.no_grad()
def effective_rank(features: Tensor) -> Tensor:
    """Number of directions that the features of a batch really use.

    The exponential of the entropy of the normalised singular values of the
    centred features (Roy and Vetterli, 2007).

    Args:
        features (Tensor): ``(B, C)``.

    Returns:
        Tensor: A scalar between 1 and ``min(B - 1, C)``.
    """
    centred = features.float() - features.float().mean(0)
    values = torch.linalg.svdvals(centred)
    shares = values / values.sum().clamp(min=1e-12)
    return torch.exp(torch.special.entr(shares).sum())
