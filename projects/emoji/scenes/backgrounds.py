"""Photographs that the wheels of scikit-image and scikit-learn contain.

Nothing is downloaded: only files inside the wheels are read. Training and
test photographs are different ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
from PIL import Image

_SKIMAGE = 'skimage.data'
_SKLEARN = 'sklearn.datasets.images'


@dataclass(frozen=True)
class Photograph:
    """A photograph inside an installed package.

    Args:
        package (str): The package.
        file (str): File name inside it.
        caption (str): What it shows, for captions of scenes.
    """

    package: str
    file: str
    caption: str


PHOTOGRAPHS = {
    'train': (
        Photograph(_SKIMAGE, 'astronaut.png', 'an astronaut'),
        Photograph(_SKIMAGE, 'brick.png', 'a brick wall'),
        Photograph(_SKIMAGE, 'camera.png', 'a man with a camera'),
        Photograph(_SKIMAGE, 'coffee.png', 'a cup of coffee'),
        Photograph(_SKIMAGE, 'coins.png', 'old coins'),
        Photograph(_SKIMAGE, 'grass.png', 'grass'),
        Photograph(_SKIMAGE, 'motorcycle_left.png', 'a motorcycle'),
        Photograph(_SKLEARN, 'china.jpg', 'a Chinese palace'),
    ),
    'val': (
        Photograph(_SKIMAGE, 'chelsea.png', 'a cat'),
        Photograph(_SKIMAGE, 'gravel.png', 'gravel'),
        Photograph(_SKIMAGE, 'hubble_deep_field.jpg', 'galaxies'),
        Photograph(_SKIMAGE, 'rocket.jpg', 'a rocket'),
        Photograph(_SKLEARN, 'flower.jpg', 'a flower'),
    ),
}


def read_photograph(photograph: Photograph) -> Image.Image:
    """Read a photograph from its package.

    Args:
        photograph (Photograph): Which one.

    Returns:
        Image.Image: RGB picture.

    Raises:
        FileNotFoundError: If the installed package does not contain it.
    """
    resource = files(photograph.package) / photograph.file
    if not resource.is_file():
        raise FileNotFoundError(
            f'the installed {photograph.package} holds no {photograph.file}; '
            'pip install "m3i_mm[data]" installs a version that does'
        )
    with as_file(resource) as path:
        return Image.open(path).convert('RGB')


def random_crop(
    picture: Image.Image, size: int, rng: np.random.Generator
) -> Image.Image:
    """Cut a random square and mirror it half of the time.

    Args:
        picture (Image.Image): The photograph.
        size (int): Edge of the result in pixels.
        rng (np.random.Generator): Source of randomness.

    Returns:
        Image.Image: Picture of ``size x size``.
    """
    edge = int(min(picture.size) * rng.uniform(0.5, 1.0))
    left = int(rng.integers(picture.width - edge + 1))
    top = int(rng.integers(picture.height - edge + 1))
    box = (left, top, left + edge, top + edge)
    crop = picture.resize((size, size), Image.Resampling.BICUBIC, box)
    if rng.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return crop
