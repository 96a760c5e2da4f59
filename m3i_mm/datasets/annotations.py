"""What is wrong with the annotations of a detection or segmentation set.

MMDetection and MMSegmentation find out in the middle of a run, or never: a
class whose name is not in the annotation file shifts the labels of all others.
"""

from __future__ import annotations

import json
import mmap
import os
import os.path as osp
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from .classes import name_some
from .faults import DataError

__all__ = [
    'check_annotations',
    'check_label_maps',
    'check_numbers',
    'single_datasets',
]

# in which the categories of an annotation file are looked for
CATEGORY_BYTES = 2**22


def single_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets that repeating and joining ones are made of."""
    inner = [*getattr(dataset, 'datasets', [])]
    if hasattr(dataset, 'dataset'):
        inner.append(dataset.dataset)
    if not inner:
        yield dataset
    for child in inner:
        yield from single_datasets(child)


def check_annotations(dataset: Any) -> None:
    """Check the names of the classes, the masks and the files of a data set.

    Args:
        dataset (BaseDataset): Of MMDetection or MMSegmentation; others pass.

    Raises:
        DataError: If a class of the config is no category of the annotation
            file or stands in another order there, if an object has no mask
            although the pipeline loads masks, or if a picture or label map is
            not there. The file is named.
    """
    coco = sys.modules.get('mmdet.datasets.coco')
    load = getattr(type(dataset), 'load_data_list', None)
    # a data set that reads its file in its own way numbers in its own way
    if coco is not None and load is coco.CocoDataset.load_data_list:
        _check_categories(dataset.ann_file, dataset.metainfo['classes'])
    if hasattr(dataset, 'seg_map_suffix') or hasattr(dataset, 'cat2label'):
        _check_entries(dataset)


def _check_categories(ann_file: str, classes: Sequence[str]) -> None:
    found = [category['name'] for category in _read_categories(ann_file)]
    missing = [name for name in classes if name not in found]
    if missing:
        raise DataError(
            f'{ann_file} has no category {name_some(missing)}; it has '
            f'{name_some(found)}. Set metainfo.classes of the data set to '
            'names of the file'
        )
    ordered = [name for name in found if name in classes]
    if ordered != list(classes):
        raise DataError(
            f'{ann_file} has the categories in the order '
            f'{name_some(ordered)}, by which MMDetection numbers them, and '
            f'metainfo.classes in the order {name_some(classes)}: give them '
            'in the order of the file'
        )


def _read_categories(ann_file: str) -> list[dict[str, Any]]:
    """Read the categories alone, which are a small part of a large file."""
    with (
        open(ann_file, 'rb') as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        place = content.find(b'[', max(content.rfind(b'"categories"'), 0))
        text = content[place : place + CATEGORY_BYTES].decode(errors='ignore')
    try:
        categories, _ = json.JSONDecoder().raw_decode(text)
        if all('name' in category for category in categories):
            return categories
    except (ValueError, TypeError):
        pass  # something else was called so
    with open(ann_file, encoding='utf-8') as whole:
        return json.load(whole)['categories']


def _check_entries(dataset: Any) -> None:
    masks = any(
        getattr(step, 'with_mask', False)
        for step in getattr(dataset.pipeline, 'transforms', [])
    )
    local = not getattr(dataset, 'backend_args', None)
    listed: dict[str, set[str]] = {}
    for index in range(len(dataset)):
        entry = dataset.get_data_info(index)
        if masks and any('mask' not in i for i in entry.get('instances', [])):
            raise DataError(
                f'{dataset.ann_file}: an object of {entry["img_path"]} has no '
                'segmentation, and the pipeline loads masks. Complete the '
                'file, or use a detector without masks'
            )
        for path in (entry.get('img_path'), entry.get('seg_map_path')):
            if local and path and not _is_there(path, listed):
                raise DataError(
                    f'{type(dataset).__name__}: there is no file {path}, '
                    'which the data set lists'
                )


def _is_there(path: str, listed: dict[str, set[str]]) -> bool:
    # one question for each folder instead of one for each file
    folder, name = osp.split(path)
    if folder not in listed:
        exists = osp.isdir(folder or '.')
        listed[folder] = set(os.listdir(folder or '.') if exists else [])
    return name in listed[folder]


def check_numbers(
    classes: Sequence[str], reference: Sequence[str], who: str, whose: str
) -> None:
    """Check that no class has another number in another list.

    Args:
        classes (Sequence[str]): The names by number.
        reference (Sequence[str]): The names of the other list.
        who (str): Whose list ``classes`` is, for the message.
        whose (str): Whose list ``reference`` is.

    Raises:
        DataError: If a name stands at two places.
    """
    numbers = {name: number for number, name in enumerate(reference)}
    for number, name in enumerate(classes):
        if numbers.get(name, number) != number:
            raise DataError(
                f'The class {name!r} has the number {number} in {who} and '
                f'{numbers[name]} in {whose}. Give both the same list of '
                'classes: classes=[...] or metainfo=dict(classes=[...])'
            )


def check_label_maps(
    inputs: Sequence[Any], data_samples: Sequence[Any], num_classes: int
) -> None:
    """Check the label maps of a batch for segmentation.

    Args:
        inputs (Sequence[Tensor]): The pictures, each (3, H, W).
        data_samples (Sequence[SegDataSample]): Their label maps, each
            (1, H, W); 255 is ignored.
        num_classes (int): The number of classes.

    Raises:
        DataError: If a map has colours, a number that is no class, or another
            size than the picture. The file is named.
    """
    for image, sample in zip(inputs, data_samples, strict=True):
        maps = getattr(sample, 'gt_sem_seg', None)
        labels = None if maps is None else maps.get('data')
        if labels is None:
            continue
        path = sample.get('seg_map_path', 'a label map')
        if labels.ndim != 3 or len(labels) != 1:
            raise DataError(
                f'{path} is in colours, {tuple(labels.shape[1:])}: a label '
                'map has one channel of class numbers'
            )
        known = labels[labels != 255]
        if known.numel() and not 0 <= known.max() < num_classes:
            raise DataError(
                f'{path} has the label {int(known.max())}, the data set has '
                f'{num_classes} classes: 0 to {num_classes - 1}, and 255 for '
                'what is ignored'
            )
        sizes = (tuple(image.shape[-2:]), tuple(sample.get('ori_shape', ())))
        if tuple(labels.shape[-2:]) not in sizes:
            raise DataError(
                f'{path} has another size than its picture '
                f'{sample.get("img_path")}'
            )
