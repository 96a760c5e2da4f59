"""Find pictures of a folder by words or by a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor

from m3i_mm.datasets.faults import SampleError
from m3i_mm.datasets.tokenizers import build_tokenizer
from m3i_mm.evaluation.metrics.text import encode_texts, require_embedding
from m3i_mm.runs.views import transforms_of
from m3i_mm.visualization.grid import Panel, draw_grid

from .feature_extractor import FeatureExtractor
from .images import list_images
from .prediction import read_image

__all__ = ['Found', 'PictureSearch', 'draw_found']


class Found(NamedTuple):
    """A picture that was found.

    Attributes:
        path (Path): The file.
        similarity (float): Cosine of the angle to what was asked, in [-1, 1].
    """

    path: Path
    similarity: float


class PictureSearch:
    """Ranks pictures by their likeness to words or to a picture.

    Words are compared in the space that the text target was trained in,
    pictures by the mean-pooled features of the encoder.

    Args:
        model (str | Config | BaseModel): See :class:`FeatureExtractor`.
        pictures (Path | Sequence[Path]): A folder, searched with its
            sub-folders, or files.
        pretrained (bool | str): Checkpoint; see :class:`FeatureExtractor`.
        device (str, optional): See :class:`FeatureExtractor`.
        image_size (int, optional): See :class:`FeatureExtractor`.
        on_fault (Callable, optional): Is told of files that are no readable
            pictures, which are then left out.

    Raises:
        FileNotFoundError: If there is no picture.
        SampleError: If a file is no readable picture, unless ``on_fault`` is
            told.

    Examples:
        >>> search = PictureSearch('pretrain.py', 'photos', 'epoch_20.pth')
        >>> search.by_words('a dog on grass', k=3)
        [Found(path=PosixPath('photos/7.jpg'), similarity=0.31), ...]
    """

    def __init__(
        self,
        model: str | Config | BaseModel,
        pictures: str | Path | Sequence[Path],
        pretrained: bool | str = False,
        device: str | None = None,
        image_size: int | None = None,
        on_fault: Callable[[SampleError], None] | None = None,
    ) -> None:
        files = [Path(str(file)) for file in list_images(pictures)]
        self.extractor = FeatureExtractor(
            model, pretrained, device, image_size
        )
        self.table = self.extractor.table(files, on_fault=on_fault)
        self.files = [Path(str(key)) for key in self.table['sample_key']]
        self._encode: Any = None

    def by_words(self, words: str, k: int = 5) -> list[Found]:
        """Find the pictures that words describe.

        Args:
            words (str): A text like those of the training.
            k (int): How many to find; fewer if there are fewer.

        Returns:
            list[Found]: The most similar first.

        Raises:
            ValueError: If the text is empty, or the model has no text
                target.
        """
        if not words.strip():
            raise ValueError('there are no words to search by')
        model = self.extractor.model
        if self._encode is None:
            self._encode = build_tokenizer(_tokenizer_of(model._config))
        query = encode_texts(model, self._encode, [words]).cpu()
        require_embedding(self.table, 'image_embedding', model)
        return self._rank('image_embedding', query, k)

    def by_picture(self, path: str | Path, k: int = 5) -> list[Found]:
        """Find the pictures that look like one; it may be among them.

        Args:
            path (str | Path): The picture.
            k (int): How many to find; fewer if there are fewer.

        Returns:
            list[Found]: The most similar first.

        Raises:
            FileNotFoundError: If there is no such file.
            SampleError: If it is no readable picture.
        """
        return self._rank('feature', self.extractor(path), k)

    def _rank(self, column: str, query: Tensor, k: int) -> list[Found]:
        gallery = self.table.features(column, 'cpu')
        cosines = F.normalize(gallery, dim=1) @ F.normalize(query, dim=1)[0]
        values, rows = cosines.topk(min(k, len(cosines)))
        return [
            Found(self.files[row], value)
            for row, value in zip(rows.tolist(), values.tolist(), strict=True)
        ]


def _tokenizer_of(config: Config) -> str | dict[str, Any]:
    """Return the tokenizer that a config trains with, else CLIP's."""
    given: Iterator[Any] = (
        step.get('tokenizer', 'clip')
        for step in transforms_of(config.get('train_dataloader'))
        if step['type'].split('.')[-1] == 'Tokenize'
    )
    return next(given, 'clip')


def draw_found(found: dict[str, list[Found]], path: str | Path) -> None:
    """Draw what was found, a row for each question.

    Args:
        found (dict[str, list[Found]]): Pictures by what was asked, words or
            the path of a picture.
        path (str | Path): PNG file to write.
    """
    rows = []
    for asked, pictures in found.items():
        is_file = Path(asked).is_file()
        query = read_image(Path(asked)) if is_file else None
        row = [Panel(query, Path(asked).stem if is_file else asked)]
        row += [
            Panel(
                read_image(one.path), f'{one.path.stem} {one.similarity:.2f}'
            )
            for one in pictures
        ]
        rows.append(row)
    draw_grid(rows, path)
