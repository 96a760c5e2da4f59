"""Classify images by the names of classes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import BaseModel

from m3i_mm.datasets.tokenizers import build_tokenizer
from m3i_mm.evaluation.functional import class_embeddings
from m3i_mm.evaluation.functional.zero_shot import Template
from m3i_mm.evaluation.metrics.text import encode_texts, require_embedding
from m3i_mm.evaluation.prompts import named_class_names, named_templates

from .feature_extractor import FeatureExtractor
from .images import Image
from .model_zoo import get_model

__all__ = ['ZeroShotClassifier']


class ZeroShotClassifier:
    """Compares images with the texts of classes it was never trained on.

    Args:
        model (str | Config | BaseModel): An M3I with a text target; see
            :class:`FeatureExtractor`.
        class_names (str | Sequence[str]): The classes, or ``'imagenet'``.
        templates (str | Sequence[str]): Prompts with ``{}`` for the name, or
            ``'openai_imagenet'``, ``'simple_imagenet'``.
        pretrained (bool | str): See :func:`get_model`.
        tokenizer (str | dict): The tokenizer that the model was trained with.
        temperature (float): Divides the cosines before the softmax; it
            changes the scores, not their order.
        device (str, optional): See :func:`get_model`.
        image_size (int, optional): See :class:`FeatureExtractor`.

    Raises:
        ValueError: If the model has no text target.

    Examples:
        >>> classify = ZeroShotClassifier(
        ...     'configs/m3i/....py', ['cat', 'dog'], pretrained='epoch_20.pth'
        ... )
        >>> classify('cat.png')
        [{'pred_label': 0, 'pred_class': 'cat', 'pred_score': 0.93, ...}]
    """

    def __init__(
        self,
        model: str | Config | BaseModel,
        class_names: str | Sequence[str],
        templates: str | Sequence[Template] = ('a photo of a {}.',),
        pretrained: bool | str = False,
        tokenizer: str | dict[str, Any] = 'clip',
        temperature: float = 0.07,
        device: str | None = None,
        image_size: int | None = None,
    ) -> None:
        if not isinstance(model, BaseModel):
            model = get_model(model, pretrained, device)
        self.extractor = FeatureExtractor(model, image_size=image_size)
        self.class_names = named_class_names(class_names)
        self.temperature = temperature
        encoder = build_tokenizer(tokenizer)
        self.class_embeddings = class_embeddings(
            self.class_names,
            named_templates(templates),
            lambda texts: encode_texts(self.extractor.model, encoder, texts),
        ).cpu()

    def __call__(
        self, images: Image | Sequence[Image], batch_size: int = 32
    ) -> list[dict[str, Any]]:
        """Classify images.

        Args:
            images (str | Path | np.ndarray | Sequence): A file, a folder, BGR
                pixels (H, W, 3 or 4), or a list of files and pixels.
            batch_size (int): Images at a time.

        Returns:
            list[dict]: For every image ``pred_label``, ``pred_class``,
            ``pred_score``, and ``pred_scores`` (K,) of all classes.
        """
        table = self.extractor.table(images, batch_size)
        require_embedding(table, 'image_embedding', self.extractor.model)
        embeddings = table.features('image_embedding', 'cpu')
        cosines = F.normalize(embeddings, dim=1) @ self.class_embeddings.T
        scores = (cosines / self.temperature).softmax(1)  # (N, K)
        best, labels = scores.max(1)
        return [
            dict(
                pred_label=label,
                pred_class=self.class_names[label],
                pred_score=score,
                pred_scores=row,
            )
            for label, score, row in zip(
                labels.tolist(), best.tolist(), scores.numpy(), strict=True
            )
        ]
