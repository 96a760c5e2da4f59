"""Text targets: weakly-supervised pre-training on image-text pairs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from m3i_mm.registry import MODELS

from ..batch import Batch
from ..inputs import Member
from ..tokens import ImageTokens
from .base import BaseTarget, Target

__all__ = ['TextTarget']


@MODELS.register_module()
class TextTarget(BaseTarget):
    """The paired text, represented by a text encoder.

    With the ``Boltzmann`` likelihood and the texts of the batch as negatives
    this is CLIP's objective. Samples without a text have no such target and
    are no negatives of others.

    Args:
        text_encoder (dict): Config of a module that maps tokens ``(B, L)`` to
            features ``(B, C)``, e.g. ``TextTransformer``.
        field (str): Field of the samples with the tokens, ``(L, )``, padded
            with zeros. Defaults to ``'text_tokens'``.
    """

    def __init__(
        self, text_encoder: dict[str, Any], field: str = 'text_tokens'
    ) -> None:
        super().__init__()
        self.text_encoder = MODELS.build(text_encoder)
        self.field = field

    def encode(self, tokens: Tensor) -> Tensor:
        """Encode texts: token ids ``(B, L)`` to features ``(B, C)``."""
        return self.text_encoder(tokens)

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Target:
        """Encode the texts, see :meth:`BaseTarget.forward`.

        Raises:
            ValueError: If a text has no token; names the sample.
        """
        texts, valid = batch.field(self.field, member.rows)
        if texts is None:
            texts = torch.zeros(
                len(member.rows),
                1,
                dtype=torch.long,
                device=member.rows.device,
            )
        empty = valid & (texts == 0).all(dim=1)
        if empty.any():
            key = batch.key(int(member.rows[int(empty.nonzero()[0])]))
            raise ValueError(
                f'Sample {key}: {self.field} is empty. Leave the '
                'field out where there is no text'
            )
        # a stand-in token keeps every parameter in the graph of all ranks
        texts = texts.masked_fill(~valid[:, None], 1)
        return Target(self.encode(texts), valid=valid)
