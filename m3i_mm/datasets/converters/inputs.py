"""Sources from what stands on a command line."""

from __future__ import annotations

import json
import os.path as osp
from collections.abc import Callable
from typing import Any

from ..sources import (
    ClassTarsSource,
    ImageFolderSource,
    ImageTextListSource,
    PairedFilesSource,
    ShardSource,
    Source,
)

__all__ = ['KINDS', 'open_source', 'write_coco_list']


def write_coco_list(ann_file: str, path: str) -> None:
    """Turn COCO captions into a list of pictures with their texts.

    Args:
        ann_file (str): ``captions_train2017.json`` or its like.
        path (str): The JSON lines to write: ``image`` and ``text``, a list of
            captions.

    Raises:
        ValueError: If the file holds no captions.
    """
    with open(ann_file, encoding='utf-8') as file:
        content = json.load(file)
    if 'annotations' not in content or 'images' not in content:
        raise ValueError(
            f'{ann_file} is no COCO file: it has no images and annotations'
        )
    texts: dict[int, list[str]] = {}
    for annotation in content['annotations']:
        if 'caption' not in annotation:
            raise ValueError(
                f'{ann_file} holds no captions; captions_*.json does'
            )
        texts.setdefault(annotation['image_id'], []).append(
            annotation['caption'].strip()
        )
    with open(path, 'w', encoding='utf-8') as file:
        for image in content['images']:
            row = dict(
                image=image['file_name'], text=texts.get(image['id'], [])
            )
            file.write(json.dumps(row, ensure_ascii=False) + '\n')


def _open_coco(ann_file: str, root: str) -> Source:
    path = osp.splitext(ann_file)[0] + '.jsonl'
    write_coco_list(ann_file, path)
    return ImageTextListSource(path, root)


KINDS: dict[str, Callable[..., Source]] = {
    'folder': ImageFolderSource,
    'files': PairedFilesSource,
    'list': ImageTextListSource,
    'shards': ShardSource,
    'imagenet22k': ClassTarsSource,
    'coco': _open_coco,
}


def open_source(path: str, kind: str | None = None, **options: Any) -> Source:
    """Open a source by path.

    Args:
        path (str): A folder, a list, shards, or an annotation file of COCO.
        kind (str, optional): One of ``KINDS``. Defaults to None: a list by
            its suffix, shards if ``.tar`` occurs in the path, else a folder.
        **options: Further arguments of the source.

    Returns:
        Source: The source.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind is None:
        suffix = osp.splitext(path)[1]
        if suffix in ('.csv', '.tsv', '.jsonl', '.parquet'):
            kind = 'list'
        else:
            kind = 'shards' if '.tar' in path else 'folder'
    if kind not in KINDS:
        raise ValueError(f'kind is one of {sorted(KINDS)}, not {kind!r}')
    return KINDS[kind](path, **options)
