"""Zero-shot classification, and what metrics with texts need of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from m3i_mm.datasets.tokenizers import Tokenizer, build_tokenizer
from m3i_mm.registry import METRICS
from m3i_mm.utils.wrappers import unwrap

from ..functional import class_embeddings
from ..functional.zero_shot import Template
from ..prompts import named_class_names, named_templates
from ..tables import FeatureTable, FieldError
from .base import FeatureMetric, SetNames
from .classification import topk_accuracy

__all__ = ['ZeroShotAccuracy', 'encode_texts', 'require_embedding']


def require_embedding(
    table: FeatureTable, column: str, model: nn.Module
) -> None:
    """Check that the samples of a set have an embedding in the text space.

    Args:
        table (FeatureTable): The set.
        column (str): ``'image_embedding'`` or ``'text_embedding'``.
        model (nn.Module): The model that made the table.

    Raises:
        FieldError: If they have not; the message says whether the model or
            the data lack the text.
    """
    if column in table:
        return
    name = type(unwrap(model)).__name__
    if 'image_embedding' not in table:
        raise FieldError(
            f'{name} gave no image_embedding for the set {table.name!r}: it '
            'was built without a text target. Retrieval and zero-shot '
            "classification need M3I with a 'text' target."
        )
    raise FieldError(
        f'{table.missing.get(column, len(table))} of the {len(table)} samples '
        f'of the set {table.name!r} have no text. Its pipeline has to '
        'tokenise a text (text_tokens) for every sample.'
    )


@torch.no_grad()
def encode_texts(
    model: nn.Module,
    tokenizer: Tokenizer,
    texts: list[str],
    batch_size: int = 256,
) -> Tensor:
    """Embed texts in batches.

    Args:
        model (nn.Module): A model with ``encode_text``.
        tokenizer (Tokenizer): Maps a text to its tokens (L,).
        texts (list[str]): The texts.
        batch_size (int): Texts encoded at a time.

    Returns:
        Tensor: Embeddings, (n, D), float32.

    Raises:
        ValueError: If the model has no text encoder.
    """
    inner = unwrap(model)
    if not hasattr(inner, 'encode_text'):
        raise ValueError(
            f'{type(inner).__name__} has no text encoder (encode_text): '
            "comparing with texts needs M3I with a 'text' target."
        )
    device = next(inner.parameters()).device
    tokens = torch.stack([tokenizer(text) for text in texts])  # (n, L)
    rows = [
        inner.encode_text(part.to(device)) for part in tokens.split(batch_size)
    ]
    return torch.cat(rows).float()


@METRICS.register_module()
class ZeroShotAccuracy(FeatureMetric):
    """Accuracy of the class text closest to the image embedding.

    Reported as ``zero_shot/{field}_top1``.

    Args:
        class_names (str | Sequence[str]): Names in the order of the labels,
            or ``'imagenet'``.
        templates (str | Sequence[str]): Prompts with ``{}`` for the name, or
            ``'openai_imagenet'``, ``'simple_imagenet'``.
        tokenizer (str | dict): The tokenizer the model was trained with, see
            :func:`~m3i_mm.datasets.tokenizers.build_tokenizer`.
        field (str): The label.
        query (str | Sequence[str]): The set to classify.
        topk (Sequence[int]): Accuracies to report.
        prefix (str, optional): See :class:`FeatureMetric`.
    """

    default_prefix = 'zero_shot'
    needs_text = True

    def __init__(
        self,
        class_names: str | Sequence[str],
        templates: str | Sequence[Template] = ('a photo of a {}.',),
        tokenizer: str | dict[str, Any] = 'clip',
        field: str = 'gt_label',
        query: SetNames = 'query',
        topk: Sequence[int] = (1,),
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix)
        self.class_names = named_class_names(class_names)
        self.templates = named_templates(templates)
        self.tokenizer = build_tokenizer(tokenizer)
        self.field = field
        self.query = query
        self.topk = tuple(topk)

    @property
    def sets(self) -> tuple[SetNames, ...]:
        """The set to classify."""
        return (self.query,)

    def compute(
        self, tables: Mapping[str, FeatureTable], model: nn.Module
    ) -> dict[str, float]:
        """Compute the accuracies; see :meth:`FeatureMetric.compute`."""
        table = self.join(tables, self.query)
        labels = self._labels(table)
        classes = class_embeddings(
            self.class_names,
            self.templates,
            lambda texts: encode_texts(model, self.tokenizer, texts),
        )
        require_embedding(table, 'image_embedding', model)
        images = table.features('image_embedding', self.device)
        scores = F.normalize(images, dim=1) @ classes.to(self.device).T
        accuracy = topk_accuracy(scores.cpu(), labels, self.topk)
        return {
            f'{self.field}_{key}': value for key, value in accuracy.items()
        }

    def compute_chance(
        self, tables: Mapping[str, FeatureTable]
    ) -> dict[str, float]:
        """Guess among all classes."""
        count = len(self.class_names)
        return {
            f'{self.field}_top{k}': 100 * min(k, count) / count
            for k in self.topk
        }

    def _labels(self, table: FeatureTable) -> Tensor:
        labels = torch.as_tensor(table[self.field])
        if labels.numel() and int(labels.max()) >= len(self.class_names):
            raise ValueError(
                f'The field {self.field!r} of the set {table.name!r} has the '
                f'label {int(labels.max())}, but there are only '
                f'{len(self.class_names)} class names.'
            )
        return labels
