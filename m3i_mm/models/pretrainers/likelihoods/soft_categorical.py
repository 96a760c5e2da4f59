"""Categories that nobody named: prototypes, clusters, teachers' classes."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from m3i_mm.registry import MODELS

from ..targets import Features
from .base import Tempered, full, per_image

__all__ = ['SoftCategorical']


@MODELS.register_module()
class SoftCategorical(Tempered):
    r"""Which of K prototypes it is, as far as the target knows.

    .. math::
        -\sum_k q_k(z) \log \frac{\exp(\hat z_k / \tau)}
        {\sum_j \exp(\hat z_j / \tau)}

    Prediction and target are scores of K prototypes, e.g. of a
    ``PrototypeHead``; q turns those of the target into probabilities, and is
    what keeps all images from being assigned to one prototype.

    Args:
        assignment (dict): Config of q, ``Centering`` (DINO, iBOT) or
            ``Sinkhorn`` (SwAV, DINOv2).
        temperature (float): :math:`\tau`. Defaults to 0.1.
    """

    scores: ClassVar[type] = Features

    def __init__(
        self, assignment: dict[str, Any], temperature: float = 0.1
    ) -> None:
        super().__init__(temperature, False, 0.0, False)
        self.assignment = MODELS.build(assignment)

    def forward(self, predictions: Tensor, target: Features) -> Tensor:
        """Compute the loss of each image.

        Args:
            predictions (Tensor): Scores ``(P, K)`` or ``(P, T, K)``.
            target (Features): Scores of the target, of the same shape.

        Returns:
            Tensor: Negative log-likelihoods, ``(P, )``.

        Raises:
            ValueError: If the numbers of prototypes differ.
        """
        if predictions.shape != target.values.shape:
            raise ValueError(
                f'The prediction scores {tuple(predictions.shape)} and the '
                f'target {tuple(target.values.shape)}: both need the same '
                'prototypes'
            )
        logits = full(predictions) / self.temperature
        probabilities = self.assignment(full(target.values).detach())
        return per_image(-(probabilities * logits.log_softmax(-1)).sum(-1))

    def finish(self) -> None:
        """Close a batch, see :meth:`Objective.finish`."""
        self.assignment.finish()
