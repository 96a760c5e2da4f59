"""t_y and f_phi: what is predicted, and how it is represented."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass

from mmengine.model import BaseModule
from torch import Tensor

from ..batch import Batch
from ..inputs import Member
from ..tokens import ImageTokens

__all__ = ['BaseTarget', 'Target']


@dataclass
class Target:
    """The targets z_y of one member of an input.

    Attributes:
        values (Tensor): Target features: dense ``(P, T, C)``, global
            ``(P, C)``, or, with ``labels``, the M representations to choose
            among, ``(M, C)``.
        labels (Tensor, optional): Index of the right one among ``values``,
            ``(P, )`` or ``(P, T)``.
        bias (Tensor, optional): Log-prior of the representations, ``(M, )``.
        valid (Tensor, optional): Boolean mask ``(P, )`` of the samples that
            have this target; None if all do.
        coordinates (Tensor, optional): Where dense targets lie in the input,
            ``(P, T, 4)``, see :func:`..positions.relative_coordinates`.
        cells (Tensor, optional): The token of the input that predicts each
            dense target, ``(P, T)``, where the two correspond one to one.
        pooled (Tensor, optional): One feature per image, ``(P, C)``, which
            stands for a dense target among negatives; its mean if None.
    """

    values: Tensor
    labels: Tensor | None = None
    bias: Tensor | None = None
    valid: Tensor | None = None
    coordinates: Tensor | None = None
    cells: Tensor | None = None
    pooled: Tensor | None = None


class BaseTarget(BaseModule, metaclass=ABCMeta):
    """A kind of target.

    ``encoder`` names the image encoder that it needs (``'momentum'``,
    ``'frozen'`` or ``'online'``), None if it needs none.
    """

    encoder: str | None = None

    @abstractmethod
    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Target:
        """Represent the targets of the images of a member.

        Args:
            batch (Batch): The batch.
            member (Member): Which images, and how the input shows them.
            tokens (ImageTokens): z_x of the inputs, ``(P, K, C)``.

        Returns:
            Target: The targets.
        """
