"""From image files to the batches that a model predicts on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import Compose, default_collate
from mmengine.registry import DefaultScope

from m3i_mm.datasets.faults import SampleError
from m3i_mm.datasets.images import IMAGE_SUFFIXES
from m3i_mm.runs.console import import_quietly

__all__ = ['batches', 'list_images']

Image = str | Path | np.ndarray


def list_images(images: Image | Sequence[Image]) -> list[Image]:
    """Turn what a user names into a list of images.

    Args:
        images (str | Path | np.ndarray | Sequence): A file, a folder (the
            images in it and in its sub-folders, in the order of their names),
            BGR pixels (H, W, 3 or 4), or a sequence of files and pixels.

    Returns:
        list: Paths and arrays.

    Raises:
        FileNotFoundError: If a file is missing or a folder has no image.
    """
    if isinstance(images, (str, Path)) and Path(images).is_dir():
        found: list[Image] = [
            path
            for path in sorted(Path(images).rglob('*'))
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
        ]
        if not found:
            raise FileNotFoundError(f'There is no image in {images}')
        return found
    if isinstance(images, (str, Path, np.ndarray)):
        images = [images]
    listed = list(images)
    for image in listed:
        if not isinstance(image, np.ndarray) and not Path(image).is_file():
            raise FileNotFoundError(f'There is no image {image}')
    return listed


def batches(
    images: Sequence[Image],
    view: dict[str, Any],
    batch_size: int,
    on_fault: Callable[[SampleError], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Read images in batches; transparent ones are put on white.

    Args:
        images (Sequence): Paths and BGR pixels (H, W, 3 or 4).
        view (dict): Config of the transform that cuts the image.
        batch_size (int): Images at a time.
        on_fault (Callable, optional): Is told what cannot be decoded, which
            is then left out.

    Yields:
        dict: ``inputs`` (B, 3, H, W) and ``data_samples``.

    Raises:
        SampleError: If an image cannot be decoded, unless ``on_fault`` is
            told; it names the file.
    """
    import_quietly('mmpretrain')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        pipeline = Compose(
            [
                dict(type='m3i_mm.DecodeImage'),
                dict(type='m3i_mm.Background', color=(255, 255, 255)),
                view,
                dict(type='mmpretrain.PackInputs', meta_keys=('sample_key',)),
            ]
        )
    for start in range(0, len(images), batch_size):
        samples = []
        for index, image in enumerate(images[start : start + batch_size]):
            try:
                samples.append(pipeline(_sample(start + index, image)))
            except SampleError as error:
                if on_fault is None:
                    raise
                on_fault(error)
        if samples:
            yield default_collate(samples)


def _sample(index: int, image: Image) -> dict[str, Any]:
    if isinstance(image, np.ndarray):
        return dict(sample_key=f'image {index}', img=image)
    return dict(sample_key=str(image), img_path=str(image))
