"""P^: the distribution of the target given its prediction.

The loss of a target is its negative log-likelihood (paper section 1.3). A
Boltzmann distribution gives a softmax cross-entropy, over all there is to
choose from (``Categorical``) or over samples of it (``Contrast``); a Gaussian
gives the squared error. Losses are computed in float32 whatever the precision
of training.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

import torch
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from .distributed import sum_with_gradient
from .targets import Choices, Features

__all__ = ['Categorical', 'Contrast', 'CrossCorrelation', 'Gaussian']


def _full(features: Tensor) -> Tensor:
    """Raise half precision to float32; float64 stays."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def _per_image(losses: Tensor) -> Tensor:
    """Average token losses: ``(P, T) -> (P, )``; ``(P, )`` stays."""
    return losses.mean(dim=1) if losses.dim() == 2 else losses


def _pool(features: Tensor) -> Tensor:
    """Give one feature per image: ``(P, T, C) -> (P, C)``."""
    return features.mean(1) if features.dim() == 3 else features


class _Softmax(BaseModule):
    r"""A Boltzmann distribution.

    Args:
        temperature (float): :math:`\tau`.
        learnable (bool): Whether to learn the temperature, as CLIP does.
        min_temperature (float): Bound of a learned temperature.
        normalize (bool): Whether predictions and targets are scaled to unit
            length.
    """

    def __init__(
        self,
        temperature: float,
        learnable: bool,
        min_temperature: float,
        normalize: bool,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature must be positive: {temperature}')
        # (1, ), for FSDP cannot shard scalars
        log_temperature = torch.tensor([temperature]).log()
        if learnable:
            self.log_temperature = nn.Parameter(log_temperature)
        else:
            self.register_buffer('log_temperature', log_temperature, False)
        self.min_temperature = min_temperature if learnable else 0.0
        self.normalize = normalize

    @property
    def temperature(self) -> Tensor:
        """The temperature in use, a scalar."""
        temperature = self.log_temperature.squeeze(0).exp()
        return temperature.clamp(min=self.min_temperature)

    def _scale(self, features: Tensor) -> Tensor:
        features = _full(features)
        return F.normalize(features, dim=-1) if self.normalize else features


@MODELS.register_module()
class Categorical(_Softmax):
    r"""Which of all candidates it is (paper section 1.3).

    .. math::
        P(z_i | \hat z) = \frac{\pi_i \exp(\hat z^T z_i / \tau)}
        {\sum_j \pi_j \exp(\hat z^T z_j / \tau)}

    over the M candidates z, with the prior :math:`\pi` of the target: a
    classifier whose weights are the candidates.

    Args:
        temperature (float): :math:`\tau`. Defaults to 1.
        learnable (bool): Whether to learn the temperature. Defaults to False.
        min_temperature (float): Bound of a learned temperature.
            Defaults to 0.01.
        normalize (bool): Whether predictions and candidates are scaled to
            unit length. Defaults to False.
        label_smoothing (float): Share of the probability that is spread over
            all candidates. Defaults to 0.
    """

    scores: ClassVar[type] = Choices

    def __init__(
        self,
        temperature: float = 1.0,
        learnable: bool = False,
        min_temperature: float = 0.01,
        normalize: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(temperature, learnable, min_temperature, normalize)
        self.label_smoothing = label_smoothing

    def forward(self, predictions: Tensor, target: Choices) -> Tensor:
        """Compute the loss of each image.

        Args:
            predictions (Tensor): ``(P, C)`` or ``(P, T, C)``.
            target (Choices): The targets.

        Returns:
            Tensor: Negative log-likelihoods, ``(P, )``.
        """
        logits = self._scale(predictions) @ self._scale(target.candidates).T
        logits = logits / self.temperature
        if target.prior is not None:
            logits = logits + target.prior
        losses = F.cross_entropy(
            logits.flatten(0, -2),
            target.index.flatten(),
            reduction='none',
            label_smoothing=self.label_smoothing,
        )
        return _per_image(losses.view(target.index.shape))


@MODELS.register_module()
class Contrast(_Softmax):
    r"""Which of the target and its negatives it is (paper section 1.3).

    .. math::
        P(z | \hat z) = \frac{\exp(\hat z^T z / \tau)}
        {\exp(\hat z^T z / \tau) + \sum_n \exp(\hat z^T z_n / \tau)}

    Args:
        temperature (float): :math:`\tau`. Defaults to 1.
        learnable (bool): Whether to learn the temperature, as CLIP does.
            Defaults to False.
        min_temperature (float): Bound of a learned temperature.
            Defaults to 0.01.
        normalize (bool): Whether predictions and targets are scaled to unit
            length. Defaults to False.
        negatives (dict, optional): Config of the negatives. Defaults to
            ``dict(type='BatchNegatives')``.
        symmetric (bool): Average with the reverse direction, which tells the
            prediction of a target from those of others. Defaults to False.
    """

    scores: ClassVar[type] = Features

    def __init__(
        self,
        temperature: float = 1.0,
        learnable: bool = False,
        min_temperature: float = 0.01,
        normalize: bool = False,
        negatives: dict[str, Any] | None = None,
        symmetric: bool = False,
    ) -> None:
        super().__init__(temperature, learnable, min_temperature, normalize)
        self.negatives = MODELS.build(negatives or dict(type='BatchNegatives'))
        self.symmetric = symmetric

    def forward(self, predictions: Tensor, target: Features) -> Tensor:
        """Compute the loss of each image.

        Args:
            predictions (Tensor): ``(P, C)`` or ``(P, T, C)``.
            target (Features): The targets, of the same shape.

        Returns:
            Tensor: Negative log-likelihoods, ``(P, )``.
        """
        values, valid = target.values, target.valid
        if valid is None:
            valid = torch.ones_like(values.flatten(1)[:, 0], dtype=torch.bool)
        pooled = _pool(values) if target.pooled is None else target.pooled
        losses = self._contrast(predictions, values, pooled, valid)
        if self.symmetric:
            reverse = self._contrast(
                values, predictions, _pool(predictions), valid
            )
            losses = (losses + reverse) / 2
        return losses

    def _contrast(
        self,
        predictions: Tensor,
        values: Tensor,
        pooled: Tensor,
        valid: Tensor,
    ) -> Tensor:
        negatives = self.negatives(
            self._scale(pooled), self._scale(_pool(predictions)), valid
        )
        predictions, values = self._scale(predictions), self._scale(values)
        positive = (predictions * values).sum(-1, keepdim=True)
        excluded = negatives.excluded
        if predictions.dim() == 3:
            excluded = excluded[:, None]  # (P, 1, M)
        logits = predictions @ negatives.keys.T  # (P, M) or (P, T, M)
        logits = torch.cat([positive, logits], -1) / self.temperature
        # after the division, whose gradient would not bear infinities
        kept = torch.zeros_like(excluded[..., :1])
        logits = logits.masked_fill(
            torch.cat([kept, excluded], -1), -torch.inf
        )
        return _per_image(-logits.log_softmax(-1)[..., 0])


@MODELS.register_module()
class Boltzmann(BaseModule):
    """The old name of :class:`Categorical` and :class:`Contrast`.

    Raises:
        ValueError: Always; names the new ones.
    """

    def __init__(self, **kwargs: Any) -> NoReturn:
        raise ValueError(
            'The likelihood Boltzmann is now two, each with its own arguments:'
            " set likelihood.type to 'Categorical' for CategoryTarget and "
            "CodeTarget (label_smoothing), or to 'Contrast' for TextTarget "
            'and features of images (negatives, symmetric)'
        )


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
        predictions, values = _full(predictions), _full(target.values)
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
        return _per_image(losses)


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
        first = self.norm(_full(predictions))
        second = self.norm(_full(target.values))
        correlation = first.T @ second / (len(first) * get_world_size())
        correlation = sum_with_gradient(correlation)
        identity = torch.eye(len(correlation), device=correlation.device)
        errors = (correlation - identity).square()
        diagonal = errors.diagonal().sum()
        loss = diagonal + self.decorrelation * (errors.sum() - diagonal)
        return loss.expand(len(first))
