"""Category targets: supervised pre-training."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m3i_mm.datasets.fields import AnnotationError, Annotations
from m3i_mm.registry import MODELS

from ..batch import Batch
from ..inputs import Member
from ..tokens import ImageTokens
from .base import BaseTarget, Choices, Needs

__all__ = ['CategoryTarget']


@MODELS.register_module()
class CategoryTarget(BaseTarget):
    """The category embedding: the weights of a linear classifier.

    With the ``Categorical`` likelihood this is softmax cross-entropy (paper
    section 4.3). Samples without a label have no such target. At inference
    it gives ``pred_score``, the probabilities of the categories.

    Args:
        num_classes (int): Number of categories.
        embed_dims (int): Width of an embedding, that of the prediction.
        field (str): Field of the samples with the label, in
            ``[0, num_classes)``. Defaults to ``'gt_label'``.
        bias (bool): Whether categories have a log-prior, the bias of the
            classifier. Defaults to True.
    """

    represents: ClassVar[type] = Choices
    predicts: ClassVar[tuple[str, ...]] = ('pred_score',)

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

    @property
    def needs(self) -> Needs:
        """See :attr:`BaseTarget.needs`."""
        return Needs(field=self.field)

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Choices:
        """Look up the labels, see :meth:`BaseTarget.forward`."""
        labels = batch.field(self.field, member)
        if labels is None:
            index = tokens.indices.new_zeros(len(tokens.values))
            valid = torch.zeros_like(index, dtype=torch.bool)
        else:
            index, valid = labels.values.flatten().long(), labels.valid
        return Choices(self.embedding, index, self.bias, valid)

    def check(self, annotations: Annotations) -> None:
        """Check the range of the labels, see :meth:`BaseTarget.check`."""
        labels = annotations.host.get(self.field)
        if labels is None:
            return
        known = zip(labels.values.tolist(), labels.valid.tolist(), strict=True)
        for row, (label, valid) in enumerate(known):
            if isinstance(label, list):
                (label,) = label if len(label) == 1 else (label,)
            if not valid or _is_index(label, self.num_classes):
                continue
            raise AnnotationError(
                f'Sample {annotations.key(row)}: {self.field} is {label}, but '
                f'CategoryTarget has {self.num_classes} classes, so labels '
                f'are 0 to {self.num_classes - 1}: set num_classes or mend '
                'the labels'
            )

    def outputs(self, predictions: Tensor) -> dict[str, Tensor]:
        """Score predictions ``(B, C)``, see :meth:`BaseTarget.outputs`."""
        logits = F.linear(predictions, self.embedding, self.bias)
        return dict(pred_score=logits.softmax(-1))


def _is_index(label: object, count: int) -> bool:
    return isinstance(label, int) and 0 <= label < count
