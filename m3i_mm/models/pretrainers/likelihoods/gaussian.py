"""Normal distributions around the prediction."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from ..distributed import sum_with_gradient
from ..targets import Features
from .base import full, per_image

__all__ = ['CrossCorrelation', 'Gaussian']


@MODELS.register_module()
class Gaussian(BaseModule):
    r"""Normal distribution around the prediction (paper section 1.3).

    .. math::
        -\log P(z_y | \hat z_y) =
        \frac{\|z_y - \hat z_y\|^2}{2 \sigma^2} + \text{const}

    per dimension: the loss is averaged over channels and tokens.

    Args:
        variance (float): :math:`\sigma^2`. Defaults to 0.5, which makes the
            loss the mean squared error.
        learnable (bool): Whether to learn the variance; the loss then holds
            :math:`\frac12 \log \sigma^2` too. Defaults to False.
        normalize (bool): Whether predictions and targets are scaled to unit
            length; the loss is then summed over channels, 2 - 2 cos for a
            variance of 0.5. Defaults to False.
        regularizer (dict, optional): Config of a term against collapse, e.g.
            ``dict(type='UniGradTerm')``. Defaults to None.
    """

    scores: ClassVar[type] = Features

    def __init__(
        self,
        variance: float = 0.5,
        learnable: bool = False,
        normalize: bool = False,
        regularizer: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if variance <= 0:
            raise ValueError(f'variance must be positive: {variance}')
        # (1, ), for FSDP cannot shard scalars
        log_variance = torch.tensor([variance]).log()
        self.learnable = learnable
        if learnable:
            self.log_variance = nn.Parameter(log_variance)
        else:
            self.register_buffer('log_variance', log_variance, False)
        self.normalize = normalize
        self.regularizer = (
            None if regularizer is None else MODELS.build(regularizer)
        )

    @property
    def variance(self) -> Tensor:
        """The variance in use, a scalar."""
        return self.log_variance.squeeze(0).exp()

    def forward(self, predictions: Tensor, target: Features) -> Tensor:
        """Compute the loss of each image.

        Args:
            predictions (Tensor): ``(P, C)`` or ``(P, T, C)``.
            target (Features): The targets, of the same shape.

        Returns:
            Tensor: Negative log-likelihoods, ``(P, )``.

        Raises:
            ValueError: If the shapes differ.
        """
        predictions, values = full(predictions), full(target.values)
        if predictions.shape != values.shape:
            raise ValueError(
                f'The decoder predicts {tuple(predictions.shape)}, but the '
                f'target is {tuple(values.shape)}: set its width to '
                f'{values.shape[-1]}'
            )
        if self.normalize:
            predictions = F.normalize(predictions, dim=-1)
            values = F.normalize(values, dim=-1)
        errors = (predictions - values).square().sum(-1)
        width = 1 if self.normalize else values.shape[-1]
        losses = errors / (2 * self.variance * width)
        if self.learnable:
            losses = losses + self.log_variance / 2
        if self.regularizer is not None:
            losses = losses + self.regularizer(predictions, values) / width
        return per_image(losses)


@MODELS.register_module()
class CrossCorrelation(BaseModule):
    r"""Gaussian with de-correlated features (Barlow Twins).

    For features standardised over the batch the squared error of a channel is
    :math:`2 (1 - C_{ii})`, C the cross-correlation of prediction and target.
    The loss is :math:`\sum_i (1 - C_{ii})^2 + \lambda \sum_{i \ne j}
    C_{ij}^2` (Zbontar et al., 2021, eq. 1); its second term is the
    regulariser.

    Args:
        embed_dims (int): Width C of the features.
        decorrelation (float): :math:`\lambda`. Defaults to 0.0051.
    """

    scores: ClassVar[type] = Features

    def __init__(self, embed_dims: int, decorrelation: float = 0.0051) -> None:
        super().__init__()
        self.decorrelation = decorrelation
        self.norm = nn.BatchNorm1d(embed_dims, affine=False)

    def forward(self, predictions: Tensor, target: Features) -> Tensor:
        """Compute the loss.

        Args:
            predictions (Tensor): ``(P, C)``.
            target (Features): Features of the same images, ``(P, C)``.

        Returns:
            Tensor: The loss of the batch for every image, ``(P, )``.
        """
        first = self.norm(full(predictions))
        second = self.norm(full(target.values))
        correlation = first.T @ second / (len(first) * get_world_size())
        correlation = sum_with_gradient(correlation)
        identity = torch.eye(len(correlation), device=correlation.device)
        errors = (correlation - identity).square()
        diagonal = errors.diagonal().sum()
        loss = diagonal + self.decorrelation * (errors.sum() - diagonal)
        return loss.expand(len(first))
