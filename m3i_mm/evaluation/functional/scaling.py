"""Scaling of features by the statistics of a training set or gallery."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['center_and_normalize', 'find_scaling', 'standardize']

Scaling = Callable[..., list[Tensor]]


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


def unscaled(*features: Tensor) -> list[Tensor]:
    """Return features as they are."""
    return list(features)


def find_scaling(name: str | None) -> Scaling:
    """Find a scaling by its name in a config.

    Args:
        name (str, optional): ``'standardize'``, ``'center_and_normalize'`` or
            None for none.

    Returns:
        Callable: Maps the training features (N, C) and others (M, C) to the
        list of all of them, scaled.

    Raises:
        ValueError: If the name is unknown.
    """
    scalings: dict[str | None, Scaling] = {
        None: unscaled,
        'standardize': standardize,
        'center_and_normalize': center_and_normalize,
    }
    if name not in scalings:
        raise ValueError(
            f'Unknown scaling {name!r}; choose from {list(scalings)}.'
        )
    return scalings[name]
