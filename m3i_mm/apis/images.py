"""From image files to the batches that a model predicts on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from m3i_mm.datasets.images import IMAGE_SUFFIXES
from m3i_mm.runs.console import import_quietly

__all__ = ['batches', 'evaluation_view', 'list_images', 'transforms_of']

Image = str | Path | np.ndarray
# what cuts training views -> the argument with their side in pixels
_TRAINING_SIZES = dict(RandomView='size', RandomResizedCrop='scale')


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
            if path.suffix.lower() in IMAGE_SUFFIXES
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


def evaluation_view(config: Config) -> dict[str, Any]:
    """Find out how a config cuts the images that it is tested on.

    A recipe of pre-training alone has no test pipeline; then the size of the
    training views is taken, and that is logged.

    Args:
        config (Config): A config with a dataloader.

    Returns:
        dict: Config of the transform ``CenterView``.

    Raises:
        ValueError: If no dataloader says it.
    """
    for loader in ('test_dataloader', 'val_dataloader'):
        steps = list(transforms_of(config.get(loader)))
        kinds = {step['type'].split('.')[-1]: step for step in steps}
        if 'CenterView' in kinds:
            return {**kinds['CenterView'], 'type': 'm3i_mm.CenterView'}
        if 'CenterCrop' in kinds:
            size = kinds['CenterCrop']['crop_size']
            edge = kinds.get('ResizeEdge', {}).get('scale', size)
            ratio = size / edge
            return dict(type='m3i_mm.CenterView', size=size, crop_ratio=ratio)
    for step in transforms_of(config.get('train_dataloader')):
        key = _TRAINING_SIZES.get(step['type'].split('.')[-1])
        if key in step:
            print_log(
                f'image_size={step[key]}, that of the training views, for '
                'the config has no test pipeline',
                logger='current',
            )
            return dict(type='m3i_mm.CenterView', size=step[key])
    raise ValueError(
        'no pipeline of the config tells the size of the images: give '
        'image_size'
    )


def transforms_of(node: Any) -> Iterator[dict[str, Any]]:
    """Yield everything with a type below a node of a config.

    Args:
        node (Any): A part of a config, e.g. a loader.

    Yields:
        dict: The settings of a data set, a transform ...
    """
    children: Iterable[Any] = ()
    if isinstance(node, dict):
        children = node.values()
        if isinstance(node.get('type'), str):
            yield node
    elif isinstance(node, (list, tuple)):
        children = node
    for child in children:
        yield from transforms_of(child)


def batches(
    images: Sequence[Image], view: dict[str, Any], batch_size: int
) -> Iterator[dict[str, Any]]:
    """Read images in batches; transparent ones are put on white.

    Args:
        images (Sequence): Paths and BGR pixels (H, W, 3 or 4).
        view (dict): Config of the transform that cuts the image.
        batch_size (int): Images at a time.

    Yields:
        dict: ``inputs`` (B, 3, H, W) and ``data_samples``.

    Raises:
        SampleError: If an image cannot be decoded; it names the file.
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
        chunk = enumerate(images[start : start + batch_size], start)
        yield default_collate(
            [pipeline(_sample(index, image)) for index, image in chunk]
        )


def _sample(index: int, image: Image) -> dict[str, Any]:
    if isinstance(image, np.ndarray):
        return dict(sample_key=f'image {index}', img=image)
    return dict(sample_key=str(image), img_path=str(image))
