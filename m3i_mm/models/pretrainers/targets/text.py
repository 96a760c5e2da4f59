"""Text targets: weakly-supervised pre-training on image-text pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from m3i_mm.datasets.fields import AnnotationError, Annotations
from m3i_mm.registry import MODELS

from ..batch import Batch
from ..inputs import Member
from ..tokens import ImageTokens
from .base import BaseTarget, Features, Needs

__all__ = ['TextTarget']


@MODELS.register_module()
class TextTarget(BaseTarget):
    """The paired text, represented by a text encoder.

    With the ``Contrast`` likelihood and the texts of the batch as negatives
    this is CLIP's objective. Samples without a text have no such target and
    are no negatives of others. At inference it gives ``image_embedding``
    and, of samples with a text, ``text_embedding``, both of unit length.

    Args:
        text_encoder (dict): Config of a module that maps tokens ``(B, L)`` to
            features ``(B, C)``, e.g. ``TextTransformer``. Its attribute
            ``padding`` is the token after the end of a text, 0 if it has
            none; ``vocab_size`` the number of tokens that it knows.
        field (str): Field of the samples with the tokens, ``(L, )``.
            Defaults to ``'text_tokens'``.
    """

    predicts: ClassVar[tuple[str, ...]] = ('image_embedding',)

    def __init__(
        self, text_encoder: dict[str, Any], field: str = 'text_tokens'
    ) -> None:
        super().__init__()
        self.text_encoder = MODELS.build(text_encoder)
        self.field = field
        self.padding = int(getattr(self.text_encoder, 'padding', 0))
        self.vocab_size = getattr(self.text_encoder, 'vocab_size', None)

    @property
    def needs(self) -> Needs:
        """See :attr:`BaseTarget.needs`."""
        return Needs(field=self.field, padding=self.padding)

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Features:
        """Encode the texts, see :meth:`BaseTarget.forward`."""
        # a stand-in token keeps every parameter in the graph of all ranks
        stand_in = int(self.padding == 0)
        texts = batch.field(self.field, member)
        if texts is None:
            shape = (len(tokens.values), 1)
            words = tokens.indices.new_full(shape, stand_in)
            valid = torch.zeros_like(words[:, 0], dtype=torch.bool)
        else:
            valid = texts.valid
            words = texts.values.masked_fill(~valid[:, None], stand_in)
        return Features(self.text_encoder(words), valid)

    def check(self, annotations: Annotations) -> None:
        """Check that the tokens fit, see :meth:`BaseTarget.check`."""
        if self.field not in annotations.host:
            return
        self._check_vocabulary(annotations)
        padding = annotations.padding.get(self.field, self.padding)
        if padding != self.padding:
            raise AnnotationError(
                f'{self.field} is padded with token {padding}, but '
                f'{type(self.text_encoder).__name__} takes {self.padding} for '
                'padding: set train_dataloader.collate_fn.padding='
                f'dict({self.field}={self.padding})'
            )

    def _check_vocabulary(self, annotations: Annotations) -> None:
        tokens = annotations.host[self.field].values
        if self.vocab_size is None or not tokens.numel():
            return
        largest = tokens.flatten(1).amax(1)
        if int(largest.max()) >= self.vocab_size:
            row = int(largest.argmax())
            raise AnnotationError(
                f'Sample {annotations.key(row)}: {self.field} has the token '
                f'{int(largest[row])}, but {type(self.text_encoder).__name__} '
                f'knows {self.vocab_size} tokens: the tokenizer of the '
                'pipeline is not that of the text encoder. Give Tokenize the '
                'name of its tokenizer, or set vocab_size'
            )

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed texts: token ids ``(B, L)`` to unit vectors ``(B, C)``."""
        return F.normalize(self.text_encoder(tokens).float(), dim=-1)

    def outputs(self, predictions: Tensor) -> dict[str, Tensor]:
        """Embed images, see :meth:`BaseTarget.outputs`."""
        return dict(image_embedding=F.normalize(predictions, dim=-1))

    def add_outputs(self, samples: Sequence[Any]) -> None:
        """Embed the samples' texts, see :meth:`BaseTarget.add_outputs`."""
        texts = [sample for sample in samples if hasattr(sample, self.field)]
        if not texts:
            return
        tokens = torch.stack([getattr(s, self.field) for s in texts])
        device = next(self.text_encoder.parameters()).device
        embeddings = self.encode_text(tokens.to(device))
        for sample, embedding in zip(texts, embeddings, strict=True):
            sample.set_field(embedding, 'text_embedding')
