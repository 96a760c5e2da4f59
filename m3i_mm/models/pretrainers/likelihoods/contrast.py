"""Boltzmann distributions over samples: contrastive learning."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from m3i_mm.registry import MODELS

from ..distributed import gather_with_gradient, own_rows
from ..targets import Features
from .base import Tempered, by_rows, per_image, pool

__all__ = ['Contrast', 'SupervisedContrast']


@MODELS.register_module()
class Contrast(Tempered):
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
        chunk_size (int, optional): Predictions that are compared at a time,
            for less memory. Defaults to all.
    """

    scores: ClassVar[type] = Features
    gathers: ClassVar[bool] = True

    def __init__(
        self,
        temperature: float = 1.0,
        learnable: bool = False,
        min_temperature: float = 0.01,
        normalize: bool = False,
        negatives: dict[str, Any] | None = None,
        symmetric: bool = False,
        chunk_size: int | None = None,
    ) -> None:
        super().__init__(temperature, learnable, min_temperature, normalize)
        self.chunk_size = chunk_size
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
        pooled = pool(values) if target.pooled is None else target.pooled
        losses = self._contrast(predictions, values, pooled, valid)
        if self.symmetric:
            reverse = self._contrast(
                values, predictions, pool(predictions), valid
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
            self._scale(pooled), self._scale(pool(predictions)), valid
        )
        return by_rows(
            partial(self._losses, negatives.keys),
            self.chunk_size,
            self._scale(predictions),
            self._scale(values),
            negatives.excluded,
        )

    def _losses(
        self,
        keys: Tensor,
        predictions: Tensor,
        values: Tensor,
        excluded: Tensor,
    ) -> Tensor:
        positive = (predictions * values).sum(-1, keepdim=True)
        if predictions.dim() == 3:
            excluded = excluded[:, None]  # (P, 1, M)
        logits = predictions @ keys.T  # (P, M) or (P, T, M)
        logits = torch.cat([positive, logits], -1) / self.temperature
        # after the division, whose gradient would not bear infinities
        kept = torch.zeros_like(excluded[..., :1])
        logits = logits.masked_fill(
            torch.cat([kept, excluded], -1), -torch.inf
        )
        return per_image(-logits.log_softmax(-1)[..., 0])


@MODELS.register_module()
class SupervisedContrast(Tempered):
    r"""Which of the other views are of its class (Khosla et al., 2020, eq. 2).

    .. math::
        -\frac{1}{|P|} \sum_{p \in P} \log \frac{\exp(\hat z^T z_p / \tau)}
        {\sum_{a \in A} \exp(\hat z^T z_a / \tau)}

    A are the targets of all images of all devices and the predictions of all
    but the image itself, P those of its class; its own target is always one.
    Without a label that is the only one, and the loss that of SimCLR.

    Args:
        temperature (float): :math:`\tau`. Defaults to 0.1.
        learnable (bool): Whether to learn the temperature. Defaults to False.
        min_temperature (float): Bound of a learned temperature.
            Defaults to 0.01.
        normalize (bool): Whether predictions and targets are scaled to unit
            length. Defaults to True.
    """

    scores: ClassVar[type] = Features
    gathers: ClassVar[bool] = True

    def __init__(
        self,
        temperature: float = 0.1,
        learnable: bool = False,
        min_temperature: float = 0.01,
        normalize: bool = True,
    ) -> None:
        super().__init__(temperature, learnable, min_temperature, normalize)

    def forward(self, predictions: Tensor, target: Features) -> Tensor:
        """Compute the loss of each image.

        Args:
            predictions (Tensor): ``(P, C)``.
            target (Features): The targets, of the same shape, with classes.

        Returns:
            Tensor: Negative log-likelihoods, ``(P, )``.

        Raises:
            ValueError: If the target does not tell the classes.
        """
        if target.classes is None:
            raise ValueError(
                'SupervisedContrast needs the classes of the images: set '
                "classes='gt_label' of GlobalFeatures"
            )
        predictions = self._scale(pool(predictions))
        values = self._scale(pool(target.values))
        keys = torch.cat(
            [gather_with_gradient(values), gather_with_gradient(predictions)]
        )
        classes = gather_with_gradient(target.classes).repeat(2)
        rows = own_rows(len(values), values.device)[:, None]  # (P, 1)
        columns = torch.arange(len(keys), device=keys.device)  # (M, )
        own = target.classes[:, None]
        positive = (own == classes) & (own >= 0) | (rows == columns)
        itself = rows + len(keys) // 2 == columns
        logits = predictions @ keys.T / self.temperature
        logits = logits.masked_fill(itself, -torch.inf)
        losses = logits.logsumexp(1, keepdim=True) - logits  # (P, M)
        positive = positive & ~itself
        losses = losses.masked_fill(~positive, 0.0)
        return losses.sum(1) / positive.sum(1)
