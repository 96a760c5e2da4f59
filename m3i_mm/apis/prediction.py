"""What every predictor takes and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m3i_mm.datasets.faults import SampleError
from m3i_mm.datasets.transforms import Background, DecodeImage

__all__ = ['ImageError', 'Prediction', 'Predictor', 'read_image']


class ImageError(ValueError):
    """A file that is no readable image."""


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image.

    Args:
        result (dict): Content for JSON; its keys depend on the task.
        picture (np.ndarray): The image with the result drawn on it, RGB,
            (H, W, 3), uint8.
    """

    result: dict[str, Any]
    picture: np.ndarray


class Predictor(ABC):
    """Runs a model on image files, one at a time."""

    @abstractmethod
    def __call__(self, path: Path) -> Prediction:
        """Predict one image.

        Args:
            path (Path): Image file.

        Returns:
            Prediction: The result and its picture.

        Raises:
            ImageError: If the file cannot be read as an image.
        """


def read_image(path: Path) -> np.ndarray:
    """Read an image file; a transparent one is put on white, as for models.

    Args:
        path (Path): Image file.

    Returns:
        np.ndarray: RGB, (H, W, 3), uint8.

    Raises:
        ImageError: If the file cannot be read as an image.
    """
    try:
        sample = DecodeImage()(dict(sample_key=str(path), img_path=str(path)))
    except SampleError as error:
        raise ImageError(f'{path} is no readable image: {error}') from error
    return Background((255, 255, 255))(sample)['img'][..., ::-1]
