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

__all__ = [
    'center_and_normalize',
    'fit_logistic_regression',
    'standardize',
]


def standardize(train: Tensor, *others: Tensor) -> list[Tensor]:
    """Shift and scale every channel by the statistics of the training set.

    All values are then divided by ``sqrt(C)``: a row has length 1 on average,
    whatever the width, so that one strength of regularisation serves every
    backbone. A channel that is constant in the training set becomes zero.

    Args:
        train (Tensor): Training features, (N, C).
        *others (Tensor): Further features, (M, C).

    Returns:
        list[Tensor]: All features, (N, C) and (M, C), in the given order.
    """
    mean = train.mean(0)
    std = train.std(0, unbiased=False)
    constant = std <= 1e-6 * mean.abs().clamp(min=1e-6)
    scale = torch.where(constant, torch.zeros_like(std), 1 / std)
    scale = scale / train.shape[1] ** 0.5
    return [(features - mean) * scale for features in (train, *others)]


def center_and_normalize(train: Tensor, *others: Tensor) -> list[Tensor]:
    """Subtract the mean of the training set and scale rows to unit length.

    The preprocessing of MSN's low-shot evaluation.

    Args:
        train (Tensor): Training features, (N, C).
        *others (Tensor): Further features, (M, C).

    Returns:
        list[Tensor]: All features, (N, C) and (M, C), in the given order.
    """
    mean = train.mean(0)
    return [
        F.normalize(features - mean, dim=1) for features in (train, *others)
    ]


def fit_logistic_regression(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    C: float = 1.0,
    max_iter: int = 500,
    tolerance: float = 1e-5,
    max_elements: int = MAX_ELEMENTS,
) -> tuple[Tensor, Tensor]:
    """Fit a linear classifier with L2-regularised cross-entropy.

    Args:
        features (Tensor): Features, (N, C), float32 or float64.
        labels (Tensor): Classes, (N,), in ``0 .. num_classes - 1``.
        num_classes (int): Number of classes K.
        C (float): Inverse strength of the regularisation, as in
            scikit-learn.
        max_iter (int): Most L-BFGS iterations.
        tolerance (float): Stops when no component of the gradient of the
            objective, divided by ``C * N``, is larger.
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
        penalty = weight.square().sum() / (2 * C * len(features))
        penalty.backward()
        objective = penalty.detach()
        for rows in row_chunks(len(features), num_classes, max_elements):
            logits = F.linear(features[rows], weight, bias)  # (n, K)
            loss = F.cross_entropy(logits, labels[rows], reduction='sum')
            loss = loss / len(features)
            loss.backward()
            objective += loss.detach()
        return objective

    with torch.enable_grad():
        optimizer.step(closure)
    return weight.detach(), bias.detach()
