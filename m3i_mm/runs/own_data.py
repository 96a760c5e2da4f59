"""Put one's own data, and a pre-trained backbone, into a downstream config.

The classes come from the data; heads, evaluators and paths follow.
"""

from __future__ import annotations

import os.path as osp
from pathlib import Path
from typing import Any

from mmengine.config import Config

from m3i_mm.checkpoints.addresses import look_up
from m3i_mm.datasets.images import IMAGE_SUFFIXES
from m3i_mm.datasets.sources.folder import is_foreign

from .config_check import ConfigError
from .own_coco import use_coco
from .own_parts import (
    LOADERS,
    datasets_of,
    evaluators_of,
    half_of,
    replace_dataset,
)

__all__ = ['find_backbone', 'use_backbone', 'use_data']

# how segmentation sets call the folders of pictures and of label maps
PICTURE_NAMES = ('images', 'img', 'img_dir')
MAP_NAMES = ('masks', 'annotations', 'labels', 'ann', 'ann_dir')
# what label maps must not be
LOSSY = ('.jpg', '.jpeg', '.jpe', '.jfif')


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
    path = find_backbone(run, '--backbone')
    backbone = (cfg.get('model') or {}).get('backbone')
    if backbone is None:
        raise ConfigError(f'--backbone: {cfg.filename} has no model.backbone')
    settings = dict(type='Pretrained', checkpoint=path)
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


def find_backbone(run: str, option: str) -> str:
    """Find the weights that a backbone starts from.

    Args:
        run (str): As of :func:`use_backbone`.
        option (str): How the command line calls it, for errors.

    Returns:
        str: A path, or the name of a file of the authors.

    Raises:
        ConfigError: If there is no such file.
    """
    path = Path(run)
    if path.is_dir():
        files = [
            *path.glob('backbone-*.pth'),
            *path.glob('backbone-*.safetensors'),
        ]
        if not files:
            raise ConfigError(
                f'{option} {run}: the folder has no backbone-*.pth. Write '
                f'one with m3i publish {path / "epoch_N.pth"} '
                f'{path / "backbone"}'
            )
        return str(max(files, key=lambda file: file.stat().st_mtime))
    if not path.is_file() and '://' not in run and look_up(run) == run:
        raise ConfigError(f'{option}: there is no file or folder {run!r}')
    return run


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
    use = {'mmdet': use_coco, 'mmseg': _use_maps}.get(scope, _use_folders)
    if use is _use_folders and 'head' not in cfg.model:
        raise ConfigError(
            f'--data serves classifiers, detectors and segmentors, and '
            f'{cfg.filename} is none; m3i pretrain takes pictures for others'
        )
    classes = use(cfg, root)
    _set_heads(cfg.model, len(classes))
    shown = ', '.join(classes[:5]) + ', ...' * (len(classes) > 5)
    return f'{folder}: {len(classes)} classes ({shown})'


def _use_maps(cfg: Config, root: Path) -> list[str]:
    listed = root / 'classes.txt'
    if not listed.is_file():
        raise ConfigError(
            f'--data {root}: classes.txt is missing, the name of each number '
            'in the maps, one a line, that of 0 first'
        )
    try:
        classes = listed.read_text(encoding='utf-8-sig').split('\n')
    except UnicodeDecodeError as error:
        raise ConfigError(f'{listed} is not in UTF-8: {error}') from error
    classes = [name.strip() for name in classes if name.strip()]
    pictures, maps = (
        next((n for n in names if (root / n).is_dir()), None)
        for names in (PICTURE_NAMES, MAP_NAMES)
    )
    if pictures is None or maps is None:
        raise ConfigError(f'--data {root}: there is no images/ or no masks/')
    halves = sorted(p.name for p in (root / pictures).iterdir() if p.is_dir())
    for loader in LOADERS:
        half = half_of(halves, loader)
        if half is None or not (root / maps / half).is_dir():
            raise ConfigError(
                f'--data {root}: {pictures}/ and {maps}/ need a folder train '
                'and a folder val each'
            )
        images, labels = f'{pictures}/{half}', f'{maps}/{half}'
        for dataset in datasets_of(cfg, loader):
            replace_dataset(
                dataset,
                type='BaseSegDataset',
                data_root=str(root),
                data_prefix=dict(img_path=images, seg_map_path=labels),
                img_suffix=_suffix(root / images),
                seg_map_suffix=_map_suffix(root / labels),
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


def _map_suffix(folder: Path) -> str:
    suffix = _suffix(folder)
    if suffix.lower() in LOSSY:
        raise ConfigError(
            f'{folder}: label maps in JPEG are not what was saved, for it '
            'changes numbers: save them as PNG'
        )
    return suffix


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
        half = half_of(halves, loader) if len(halves) > 1 else None
        if half is None:
            raise ConfigError(
                f'--data {root}: train/ and val/ are needed, with a folder '
                f'for each class; there is {", ".join(halves) or "nothing"}'
            )
        found = _class_folders(root / half)
        classes = classes or found
        foreign = [name for name in found if name not in classes]
        if not found:
            raise ConfigError(
                f'--data {root}: {half}/ has no folder, and one for each '
                'class is needed'
            )
        if foreign:
            raise ConfigError(
                f'{root / half} has other classes than the training: '
                f'{", ".join(foreign[:5])}'
            )
        for dataset in datasets_of(cfg, loader):
            replace_dataset(
                dataset,
                type='m3i_mm.datasets.class_folders.ClassFolders',
                data_root=str(root),
                data_prefix=half,
                with_label=True,
                extensions=IMAGE_SUFFIXES,
                metainfo=dict(classes=tuple(classes)),
            )
    for evaluator in evaluators_of(cfg, 'val_dataloader', 'test_dataloader'):
        if len(classes) < 6 and 'topk' in evaluator:
            evaluator['topk'] = (1,)
    if cfg.get('data_preprocessor') is not None:
        cfg.data_preprocessor.num_classes = len(classes)
    return classes


def _class_folders(folder: Path) -> list[str]:
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not is_foreign(path.name)
    )


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
