"""DINO on a composite backbone, trained with assistant supervision.

Liang et al., "CBNet: A Composite Backbone Network Architecture for Object
Detection", IEEE TIP 2022, section III-C: while training, the maps of the
assisting backbone pass through the same neck and head as those of the lead
backbone, and their loss is added with a smaller weight. The assistant's branch
is dropped at inference.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from m3i_mm.registry import MODELS

from .published_dino import PublishedDINO

__all__ = ['CompositeDINO']


@MODELS.register_module()
class CompositeDINO(PublishedDINO):
    """DINO with assistant supervision.

    Args:
        *args: Arguments of MMDetection's ``DINO``; its backbone must have
            ``forward_branches``, as
            :class:`~m3i_mm.models.backbones.CompositeInternImage` has.
        assistant_weight (float): Factor of the assistant's losses.
        **kwargs: Keyword arguments of ``DINO``.
    """

    def __init__(
        self, *args: Any, assistant_weight: float = 0.5, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.assistant_weight = assistant_weight

    def loss(
        self, batch_inputs: Tensor, batch_data_samples: list
    ) -> dict[str, Tensor]:
        """Compute the losses of both branches.

        Args:
            batch_inputs (Tensor): Normalised images, (B, 3, H, W).
            batch_data_samples (list[DetDataSample]): Their annotations.

        Returns:
            dict[str, Tensor]: The losses of the lead by their usual names, and
            those of the assistant, weighted, with prefix ``assistant.``.
        """
        assistant, lead = (
            self._branch_loss(features, batch_data_samples)
            for features in self.backbone.forward_branches(batch_inputs)
        )
        lead.update(
            (f'assistant.{name}', self.assistant_weight * value)
            for name, value in assistant.items()
        )
        return lead

    def _branch_loss(
        self, features: tuple[Tensor, ...], batch_data_samples: list
    ) -> dict[str, Tensor]:
        if self.with_neck:
            features = self.neck(features)
        head_inputs = self.forward_transformer(features, batch_data_samples)
        return self.bbox_head.loss(
            **head_inputs, batch_data_samples=batch_data_samples
        )
