"""Find the images or texts that fit an image best."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.model import BaseModel
from PIL import Image
from torch import Tensor

from ..datasets.tokenizers import build_tokenizer
from ..evaluation.functional import nearest
from ..evaluation.metrics.text import encode_texts, require_embedding
from ..visualization.grid import Panel, draw_grid
from .feature_extractor import FeatureExtractor
from .images import list_images
from .model_zoo import get_model
from .prediction import Prediction, Predictor, read_image

__all__ = ['ImageRetriever', 'TextRetriever']


class _Retriever(Predictor):
    """Ranks a gallery by cosine similarity to a query image.

    Args:
        extractor (FeatureExtractor): Computes the features of the query.
        feature (str): What is compared with the gallery, ``'feature'`` or
            ``'image_embedding'``.
        gallery (Tensor): Features to search, (G, C).
        k (int): How many to find.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        feature: str,
        gallery: Tensor,
        k: int,
    ) -> None:
        self._extractor = extractor
        self._feature = feature
        self._gallery = gallery
        self._k = k

    def __call__(self, path: Path) -> Prediction:
        """Search the gallery.

        ``result`` has ``found``, the best items of the gallery, the most
        similar first.
        """
        image = read_image(path)
        table = self._extractor.table(path)
        require_embedding(table, self._feature, self._extractor.model)
        query = table.features(self._feature, 'cpu')
        found = nearest(query, self._gallery, self._k)[0].tolist()
        panels = [Panel(image, 'query'), *(self._panel(i) for i in found)]
        result = {'found': [self._name(index) for index in found]}
        return Prediction(result, _draw(panels))

    @abstractmethod
    def _name(self, index: int) -> str:
        """Name an item of the gallery."""

    @abstractmethod
    def _panel(self, index: int) -> Panel:
        """Draw an item of the gallery."""


class ImageRetriever(_Retriever):
    """Finds similar images by the mean-pooled features of the encoder.

    Args:
        model (str | Config | BaseModel): See :class:`FeatureExtractor`.
        gallery (Path | Sequence[Path]): Folder of images, or image files.
        pretrained (bool | str): Checkpoint; see :class:`FeatureExtractor`.
        device (str, optional): Defaults to the accelerator, if any.
        k (int): How many to find. Defaults to 5.
        image_size (int, optional): See :class:`FeatureExtractor`.

    Raises:
        FileNotFoundError: If the gallery has no image.
        SampleError: If a gallery file is no readable image.
    """

    def __init__(
        self,
        model: str | Config | BaseModel,
        gallery: Path | Sequence[Path],
        pretrained: bool | str = False,
        device: str | None = None,
        k: int = 5,
        image_size: int | None = None,
    ) -> None:
        self._files = [Path(str(file)) for file in list_images(gallery)]
        extractor = FeatureExtractor(model, pretrained, device, image_size)
        super().__init__(extractor, 'feature', extractor(self._files), k)

    def _name(self, index: int) -> str:
        return str(self._files[index])

    def _panel(self, index: int) -> Panel:
        file = self._files[index]
        return Panel(read_image(file), file.stem)


class TextRetriever(_Retriever):
    """Finds the texts that describe an image best.

    Args:
        model (str | Config | BaseModel): An M3I with a text target; see
            :class:`FeatureExtractor`.
        texts (Sequence[str]): Texts to search.
        pretrained (bool | str): Checkpoint; see :class:`FeatureExtractor`.
        device (str, optional): Defaults to the accelerator, if any.
        tokenizer (str | dict): The tokenizer that the model was trained with.
        k (int): How many to find. Defaults to 5.
        image_size (int, optional): See :class:`FeatureExtractor`.

    Raises:
        ValueError: If there is no text, one is empty, or the model is no M3I
            with a text target.
    """

    def __init__(
        self,
        model: str | Config | BaseModel,
        texts: Sequence[str],
        pretrained: bool | str = False,
        device: str | None = None,
        tokenizer: str | dict[str, Any] = 'clip',
        k: int = 5,
        image_size: int | None = None,
    ) -> None:
        if not texts or not all(text.strip() for text in texts):
            raise ValueError('there is no text to find, or one is empty')
        self._texts = list(texts)
        if not isinstance(model, BaseModel):
            model = get_model(model, pretrained, device)
        extractor = FeatureExtractor(model, image_size=image_size)
        features = encode_texts(
            extractor.model, build_tokenizer(tokenizer), self._texts
        )
        super().__init__(extractor, 'image_embedding', features.cpu(), k)

    def _name(self, index: int) -> str:
        return self._texts[index]

    def _panel(self, index: int) -> Panel:
        return Panel(None, self._texts[index])


def _draw(panels: list[Panel]) -> np.ndarray:
    stream = io.BytesIO()
    draw_grid([panels], stream)
    return np.asarray(Image.open(stream).convert('RGB'))
