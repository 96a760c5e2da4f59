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
    r"""Number of directions that the features of a batch really use.

    The participation ratio of the covariance, :math:`(\sum_i \lambda_i)^2 /
    \sum_i \lambda_i^2` over its eigenvalues: the exponential of their Renyi
    entropy of order 2. It needs no decomposition, for which a GPU would wait.

    Args:
        features (Tensor): ``(B, C)``.

    Returns:
        Tensor: A scalar between 1 and ``min(B - 1, C)``, 0 if all features
        are the same.
    """
    centred = features.float() - features.float().mean(0)
    gram = (
        centred @ centred.T
        if len(centred) < centred.shape[1]
        else (centred.T @ centred)
    )
    squares = gram.square().sum().clamp(min=torch.finfo(gram.dtype).tiny)
    return gram.diagonal().sum().square() / squares
