"""How a config cuts the pictures that its model is tested on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

__all__ = ['evaluation_view', 'transforms_of']

# what cuts training views -> the argument with their side in pixels
_TRAINING_SIZES = dict(RandomView='size', RandomResizedCrop='scale')


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
        'image_size, --image-size on a command line'
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
