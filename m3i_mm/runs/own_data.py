"""Put one's own data, and a pre-trained backbone, into a downstream config.

The classes come from the data; heads, evaluators and paths follow.
"""

from __future__ import annotations

import json
import os.path as osp
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from m3i_mm.checkpoints.addresses import look_up
from m3i_mm.datasets.images import IMAGE_SUFFIXES

from .config_check import ConfigError

__all__ = ['use_backbone', 'use_data']

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# how the halves of a data set are called, the likeliest first
TRAIN_NAMES = ('train2017', 'training', 'train')
VAL_NAMES = ('val2017', 'validation', 'valid', 'val', 'test')
# how segmentation sets call the folders of pictures and of label maps
PICTURE_NAMES = ('images', 'img', 'img_dir')
MAP_NAMES = ('masks', 'annotations', 'labels', 'ann', 'ann_dir')


def use_backbone(cfg: Config, run: str) -> str:
    """Start the backbone of a config from a pre-training.

    Args:
        cfg (Config): Config with ``model.backbone``, changed in place.
        run (str): Work folder of ``m3i pretrain``, a file of weights as
            ``m3i publish`` writes it, or the name of one of InternImage's
            authors.

    Returns:
        str: What will be loaded, in words.

    Raises:
        ConfigError: If there is no such file, or the config has no backbone.
    """
    path = Path(run)
    if path.is_dir():
        files = [
            *path.glob('backbone-*.pth'),
            *path.glob('backbone-*.safetensors'),
        ]
        if not files:
            raise ConfigError(
                f'--backbone {run}: the folder has no backbone-*.pth. Write '
                f'one with m3i publish {path / "epoch_N.pth"} '
                f'{path / "backbone"}'
            )
        path = max(files, key=lambda file: file.stat().st_mtime)
    elif not path.is_file() and look_up(run) == run:
        raise ConfigError(f'--backbone: there is no file or folder {run!r}')
    backbone = (cfg.get('model') or {}).get('backbone')
    if backbone is None:
        raise ConfigError(f'--backbone: {cfg.filename} has no model.backbone')
    settings = dict(type='Pretrained', checkpoint=str(path))
    # what this backbone has beyond the pre-trained one, if the config says so
    new_weights = (backbone.get('init_cfg') or {}).get('new_weights')
    if new_weights:
        settings['new_weights'] = new_weights
    backbone.init_cfg = settings
    said = f'the backbone starts from {path}'
    if cfg.get('load_from'):
        said += f', and load_from={cfg.load_from} is left out'
        cfg.load_from = None
    return said


def use_data(cfg: Config, folder: str) -> str:
    """Train and evaluate a downstream config on one's own data.

    ============== ======================================================
    task           layout of the folder
    ============== ======================================================
    detection      COCO: ``annotations/*train*.json``, ``*val*.json`` (or
                   beside the pictures), pictures in ``train/`` and ``val/``
    segmentation   ``images/train``, ``masks/train``, the same for ``val``,
                   and ``classes.txt``, a name for each number in the maps
                   (or ``img`` and ``ann``, ``img_dir`` and ``ann_dir``)
    classification ``train/CLASS/``, ``val/CLASS/``
    ============== ======================================================

    Args:
        cfg (Config): The config, changed in place: data sets, evaluators and
            the numbers of classes of the heads.
        folder (str): The data.

    Returns:
        str: The classes that were found, in words.

    Raises:
        ConfigError: If the folder does not look like that; says what it
            lacks.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(f'--data: there is no folder {folder!r}')
    scope = cfg.get('default_scope')
    use = {'mmdet': _use_coco, 'mmseg': _use_maps}.get(scope, _use_folders)
    if use is _use_folders and 'head' not in cfg.model:
        raise ConfigError(
            f'--data serves classifiers, detectors and segmentors, and '
            f'{cfg.filename} is none; m3i pretrain takes pictures for others'
        )
    classes = use(cfg, root)
    _set_heads(cfg.model, len(classes))
    shown = ', '.join(classes[:5]) + ', ...' * (len(classes) > 5)
    return f'{folder}: {len(classes)} classes ({shown})'


def _datasets(cfg: Config, loader: str) -> Iterator[Any]:
    """Yield the settings of a loader's data sets, inside their wrappers."""
    nodes = [(cfg.get(loader) or {}).get('dataset')]
    while nodes:
        node = nodes.pop()
        if node is None:
            continue
        inner = [*node.get('datasets', []), node.get('dataset')]
        if any(inner):
            nodes += inner
        else:
            yield node


def _evaluators(cfg: Config) -> Iterator[Any]:
    for key in ('val_evaluator', 'test_evaluator'):
        yield from _listed(cfg.get(key))


def _half(names: Sequence[str], loader: str) -> str | None:
    """Return the name of those that belongs to training or evaluation."""
    wanted = TRAIN_NAMES if loader.startswith('train') else VAL_NAMES
    found = [n for w in wanted for n in names if w in n.lower()]
    if not found and len(names) == 1:
        return names[0]
    if not found:
        return None
    return found[0]


def _replace(dataset: Any, **settings: Any) -> None:
    """Give a data set other data, keeping its pipeline."""
    kept = {
        key: dataset[key]
        for key in ('pipeline', 'filter_cfg', 'test_mode', '_scope_')
        if dataset.get(key) is not None
    }
    dataset.clear()
    dataset.update({**settings, **kept})


def _use_coco(cfg: Config, root: Path) -> list[str]:
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
        name = _half(names, loader)
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
        for dataset in _datasets(cfg, loader):
            _replace(
                dataset,
                type='CocoDataset',
                data_root=str(root),
                ann_file=name,
                data_prefix=dict(img=prefix),
                metainfo=dict(classes=tuple(classes)),
            )
        if loader.startswith('train'):
            _set_frequencies(cfg.model, _images_per_class(content))
        for evaluator in _listed(
            cfg.get(loader.replace('dataloader', 'evaluator'))
        ):
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


def _listed(value: Any) -> list[Any]:
    if not value:
        return []
    return [value] if isinstance(value, dict) else list(value)


def _read_coco(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        images, categories = content['images'], content['categories']
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f'{path} is no COCO file: it has no images and categories'
        ) from error
    if not images or not categories:
        raise ConfigError(f'{path} lists no image or no category')
    return content


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


def _use_maps(cfg: Config, root: Path) -> list[str]:
    listed = root / 'classes.txt'
    if not listed.is_file():
        raise ConfigError(
            f'--data {root}: classes.txt is missing, the name of each number '
            'in the maps, one a line, that of 0 first'
        )
    classes = listed.read_text(encoding='utf-8').split('\n')
    classes = [name.strip() for name in classes if name.strip()]
    pictures, maps = (
        next((n for n in names if (root / n).is_dir()), None)
        for names in (PICTURE_NAMES, MAP_NAMES)
    )
    if pictures is None or maps is None:
        raise ConfigError(f'--data {root}: there is no images/ or no masks/')
    halves = sorted(p.name for p in (root / pictures).iterdir() if p.is_dir())
    for loader in LOADERS:
        half = _half(halves, loader)
        if half is None or not (root / maps / half).is_dir():
            raise ConfigError(
                f'--data {root}: {pictures}/ and {maps}/ need a folder train '
                'and a folder val each'
            )
        images, labels = f'{pictures}/{half}', f'{maps}/{half}'
        for dataset in _datasets(cfg, loader):
            _replace(
                dataset,
                type='BaseSegDataset',
                data_root=str(root),
                data_prefix=dict(img_path=images, seg_map_path=labels),
                img_suffix=_suffix(root / images),
                seg_map_suffix=_suffix(root / labels),
                reduce_zero_label=False,
                metainfo=dict(classes=tuple(classes)),
            )
            _keep_zero(dataset)
    _keep_zero(cfg.get('tta_pipeline'))
    return classes


def _keep_zero(node: Any) -> None:
    """Let 0 be a class in every step of a pipeline."""
    if isinstance(node, dict):
        if 'reduce_zero_label' in node:
            node['reduce_zero_label'] = False
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            _keep_zero(child)


def _suffix(folder: Path) -> str:
    """Return the one suffix that the pictures of a folder have."""
    suffixes = {
        osp.splitext(path.name)[1]
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES
    }
    if len(suffixes) != 1:
        kinds = ', '.join(sorted(suffixes)) or 'no picture'
        raise ConfigError(
            f'{folder}: pictures of one kind are needed, there are {kinds}'
        )
    return suffixes.pop()


def _use_folders(cfg: Config, root: Path) -> list[str]:
    halves = sorted(path.name for path in root.iterdir() if path.is_dir())
    classes: list[str] = []
    for loader in LOADERS:
        if cfg.get(loader) is None:
            continue
        half = _half(halves, loader) if len(halves) > 1 else None
        if half is None:
            raise ConfigError(
                f'--data {root}: train/ and val/ are needed, with a folder '
                f'for each class; there is {", ".join(halves) or "nothing"}'
            )
        found = sorted(p.name for p in (root / half).iterdir() if p.is_dir())
        if (classes and found != classes) or not found:
            raise ConfigError(
                f'{root / half} has other classes than the training: '
                f'{", ".join(found[:5]) or "none"}'
            )
        classes = found
        for dataset in _datasets(cfg, loader):
            _replace(
                dataset,
                type='mmpretrain.CustomDataset',
                data_root=str(root),
                data_prefix=half,
                with_label=True,
                extensions=IMAGE_SUFFIXES,
            )
    for evaluator in _evaluators(cfg):
        if len(classes) < 6 and 'topk' in evaluator:
            evaluator['topk'] = (1,)
    if cfg.get('data_preprocessor') is not None:
        cfg.data_preprocessor.num_classes = len(classes)
    return classes


def _set_heads(node: Any, count: int) -> None:
    """Set the number of classes, and weights of classes, of all heads."""
    if isinstance(node, (list, tuple)):
        for child in node:
            _set_heads(child, count)
    if not isinstance(node, dict):
        return
    old = node.get('num_classes')
    if isinstance(old, int):
        node['num_classes'] = count
    for key, value in node.items():
        weights = key == 'class_weight' and isinstance(value, (list, tuple))
        # one for each class and one for none of them, as in DETR
        if weights and len(value) > 1 and len(set(value[:-1])) == 1:
            node[key] = [value[0]] * count + [value[-1]]
        else:
            _set_heads(value, count)
