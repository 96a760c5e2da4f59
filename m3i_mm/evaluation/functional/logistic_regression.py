"""Multinomial logistic regression on frozen features (linear probe).

The objective is scikit-learn's,

    min_{W, b}  C * sum_i CE(W x_i + b, y_i)  +  1/2 ||W||^2,

minimised by L-BFGS from zero weights. It is strictly convex, so the result
depends on nothing but the data: no seed, no learning rate, no schedule.
Written in PyTorch, it runs on the GPU and never holds more logits than one
chunk of rows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .chunks import MAX_ELEMENTS, row_chunks

__all__ = ['fit_logistic_regression']


def fit_logistic_regression(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    C: float = 1.0,
    max_iter: int = 500,
    tolerance: float = 1e-4,
    max_elements: int = MAX_ELEMENTS,
) -> tuple[Tensor, Tensor]:
    """Fit a linear classifier with L2-regularised cross-entropy.

    Args:
        features (Tensor): Features, (N, C), float32 or float64.
        labels (Tensor): Classes, (N,), in ``0 .. num_classes - 1``; or the
            weight of every class in each row, (N, K), of the dtype of the
            features: a row counts as that many rows of each class.
        num_classes (int): Number of classes K.
        C (float): Inverse strength of the regularisation, as in
            scikit-learn.
        max_iter (int): Most L-BFGS iterations.
        tolerance (float): Stops when no component of the gradient of the
            objective, divided by ``C`` and the number of rows, or their
            weight, is larger.
        max_elements (int): Most logits held at a time.

    Returns:
        tuple[Tensor, Tensor]: Weight (K, C) and bias (K,).

    Raises:
        ValueError: If there is no feature, or ``C`` is not positive.
    """
    if len(features) == 0:
        raise ValueError('Logistic regression needs at least one feature.')
    if C <= 0:
        raise ValueError(f'C must be positive, got {C}.')
    total = len(features) if labels.ndim == 1 else float(labels.sum())
    weight = features.new_zeros(num_classes, features.shape[1])
    bias = features.new_zeros(num_classes)
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=max_iter,
        tolerance_grad=tolerance,
        tolerance_change=0,
        history_size=10,
        line_search_fn='strong_wolfe',
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        penalty = weight.square().sum() / (2 * C * total)
        penalty.backward()
        objective = penalty.detach()
        for rows in row_chunks(len(features), num_classes, max_elements):
            logits = F.linear(features[rows], weight, bias)  # (n, K)
            loss = F.cross_entropy(logits, labels[rows], reduction='sum')
            loss = loss / total
            loss.backward()
            objective += loss.detach()
        return objective

    with torch.enable_grad():
        optimizer.step(closure)
    return weight.detach(), bias.detach()
