"""Put detection data in COCO's form into a config."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .config_check import ConfigError
from .own_parts import (
    LOADERS,
    TRAIN_NAMES,
    VAL_NAMES,
    datasets_of,
    evaluators_of,
    half_of,
    replace_dataset,
)

__all__ = ['use_coco']


def use_coco(cfg: Config, root: Path) -> list[str]:
    """Train and evaluate a detector on one's own data.

    Args:
        cfg (Config): The config, changed in place.
        root (Path): The folder, see :func:`m3i_mm.runs.own_data.use_data`.

    Returns:
        list[str]: The classes.

    Raises:
        ConfigError: If the folder does not look like that.
    """
    files = sorted([*root.glob('annotations/*.json'), *root.glob('*.json')])
    names = [str(file.relative_to(root)) for file in files]
    # beside them COCO has captions, keypoints and panoptic maps
    names = [n for n in names if 'instances' in n] or names
    if not names:
        raise ConfigError(
            f'--data {root}: there are no annotations, annotations/*.json or '
            '*.json in the format of COCO'
        )
    classes: list[str] = []
    for loader in LOADERS:
        name = half_of(names, loader)
        if name is None:
            half = 'train' if loader.startswith('train') else 'val'
            raise ConfigError(
                f'--data {root}: none of {", ".join(names)} has {half!r} in '
                'its name'
            )
        content = _read_coco(root / name)
        found = [category['name'] for category in content['categories']]
        if classes and found != classes:
            raise ConfigError(
                f'{root / name} has other categories than the training: '
                f'{", ".join(found[:5])} instead of {", ".join(classes[:5])}'
            )
        classes = found
        prefix = _picture_folder(root, content, loader)
        for dataset in datasets_of(cfg, loader):
            replace_dataset(
                dataset,
                type='CocoDataset',
                data_root=str(root),
                ann_file=name,
                data_prefix=dict(img=prefix),
                metainfo=dict(classes=tuple(classes)),
            )
        if loader.startswith('train'):
            _set_frequencies(cfg.model, _images_per_class(content))
        for evaluator in evaluators_of(cfg, loader):
            _use_coco_metric(evaluator, str(root / name), cfg.model)
    return classes


def _use_coco_metric(evaluator: Any, ann_file: str, model: Any) -> None:
    """Evaluate boxes, and masks if the model has any, as COCO does."""
    if not evaluator.get('type', '').endswith('CocoMetric'):
        masks = 'mask_head' in (model.get('roi_head') or {})
        evaluator.clear()
        evaluator.metric = ['bbox', 'segm'] if masks else 'bbox'
    evaluator.update(type='CocoMetric', ann_file=ann_file)


def _images_per_class(content: dict[str, Any]) -> list[int]:
    """Count in how many images each category occurs."""
    objects = content.get('annotations', [])
    pairs = {(o['category_id'], o['image_id']) for o in objects}
    counts = Counter(category for category, _ in pairs)
    return [counts[category['id']] for category in content['categories']]


def _set_frequencies(node: Any, counts: list[int]) -> None:
    """Give federated losses the frequencies of these classes."""
    if isinstance(node, (list, tuple)):
        for child in node:
            _set_frequencies(child, counts)
    if isinstance(node, dict):
        if 'class_frequency' in node:
            node['class_frequency'] = counts
        for child in node.values():
            _set_frequencies(child, counts)


def _read_coco(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        images, categories = content['images'], content['categories']
        _ = [image['file_name'] for image in images]
        _ = [(category['id'], category['name']) for category in categories]
    except UnicodeDecodeError as error:
        raise ConfigError(f'{path} is not in UTF-8: {error}') from error
    except json.JSONDecodeError as error:
        raise ConfigError(f'{path} is no COCO file: {error}') from error
    except (TypeError, KeyError) as error:
        raise ConfigError(
            f'{path} is no COCO file: it has no images with a file_name and '
            'categories with id and name'
        ) from error
    if not images or not categories:
        raise ConfigError(f'{path} lists no image or no category')
    _check_objects(path, content)
    return content


def _check_objects(path: Path, content: dict[str, Any]) -> None:
    """Refuse objects that MMDetection would pass over without a word."""
    known = {
        'image_id': {image.get('id') for image in content['images']},
        'category_id': {c['id'] for c in content['categories']},
    }
    for entry in content.get('annotations', []):
        for key, values in known.items():
            if entry.get(key) not in values:
                raise ConfigError(
                    f'{path}: the object {entry.get("id")} has the {key} '
                    f'{entry.get(key)}, which the file does not list'
                )


def _picture_folder(root: Path, content: dict[str, Any], loader: str) -> str:
    """Find the folder in which the pictures of a COCO file are."""
    halves = TRAIN_NAMES if loader.startswith('train') else VAL_NAMES
    name = content['images'][0]['file_name']
    places = [*halves, *(f'images/{half}' for half in halves), 'images', '']
    for place in places:
        if (root / place / name).is_file():
            return f'{place}/' if place else ''
    raise ConfigError(
        f'--data {root}: the picture {name!r} is in none of the folders '
        f'{", ".join(place or "." for place in places)}'
    )
