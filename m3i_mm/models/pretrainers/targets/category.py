"""Category targets: supervised pre-training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from ..batch import Batch
from ..inputs import Member
from ..tokens import ImageTokens
from .base import BaseTarget, Target

__all__ = ['CategoryTarget']


@MODELS.register_module()
class CategoryTarget(BaseTarget):
    """The category embedding: the weights of a linear classifier.

    With the ``Boltzmann`` likelihood and all categories as negatives this is
    softmax cross-entropy (paper section 4.3). Samples without a label have no
    such target.

    Args:
        num_classes (int): Number of categories.
        embed_dims (int): Width of an embedding, that of the prediction.
        field (str): Field of the samples with the label, in
            ``[0, num_classes)``. Defaults to ``'gt_label'``.
        bias (bool): Whether categories have a log-prior, the bias of the
            classifier. Defaults to True.
    """

    def __init__(
        self,
        num_classes: int,
        embed_dims: int,
        field: str = 'gt_label',
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.field = field
        self.embedding = nn.Parameter(torch.empty(num_classes, embed_dims))
        self.bias = nn.Parameter(torch.zeros(num_classes)) if bias else None
        nn.init.normal_(self.embedding, std=0.01)

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Target:
        """Look up the labels, see :meth:`BaseTarget.forward`.

        Raises:
            ValueError: If a label is out of range; names the sample.
        """
        labels, valid = batch.field(self.field, member.rows)
        if labels is None:
            labels = torch.zeros_like(member.rows)
        labels = labels.flatten().long()
        self._check(batch, member, labels, valid)
        return Target(self.embedding, labels, self.bias, valid)

    def logits(self, predictions: Tensor) -> Tensor:
        """Score predictions ``(P, C)`` against all categories, ``(P, M)``."""
        return F.linear(predictions, self.embedding, self.bias)

    def _check(
        self, batch: Batch, member: Member, labels: Tensor, valid: Tensor
    ) -> None:
        wrong = valid & ((labels < 0) | (labels >= self.num_classes))
        if wrong.any():
            first = int(wrong.nonzero()[0])
            key = batch.key(int(member.rows[first]))
            raise ValueError(
                f'Sample {key}: {self.field} is {int(labels[first])}, but '
                f'CategoryTarget has {self.num_classes} classes, so labels '
                f'are 0 to {self.num_classes - 1}: set num_classes or mend '
                'the labels'
            )
