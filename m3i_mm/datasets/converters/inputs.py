"""Sources from what stands on a command line."""

from __future__ import annotations

import json
import os.path as osp
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from m3i_mm.utils.mistakes import MistakeExit

from ..faults import DataError
from ..sources import (
    ClassTarsSource,
    ImageFolderSource,
    ImageTextListSource,
    PairedFilesSource,
    ShardSource,
    Source,
)
from ..sources.tables import RowTable, read_table
from ..texts import written

__all__ = ['KINDS', 'one_line_errors', 'open_source', 'read_coco_captions']


def _open_list(path: str, **options: Any) -> Source:
    table = read_table(path, options.get('column_names'))
    # a list of labels alone needs no texts
    if 'text' not in table.columns and 'label' in table.columns:
        options.setdefault('text', [])
    return ImageTextListSource(path, table=table, **options)


def _open_coco(
    ann_file: str, root: str | None = None, **options: Any
) -> Source:
    if root is None:
        raise DataError(
            f'{ann_file}: the folder of the pictures is needed too, '
            '--source-options root=FOLDER'
        )
    table = RowTable(read_coco_captions(ann_file))
    return ImageTextListSource(ann_file, root, table=table, **options)


def read_coco_captions(ann_file: str) -> Iterator[dict[str, Any]]:
    """Read COCO captions.

    Args:
        ann_file (str): ``captions_train2017.json`` or its like.

    Yields:
        dict: ``image``, a path, and ``text``, a list of captions.

    Raises:
        DataError: If the file holds no captions.
    """
    try:
        with open(ann_file, encoding='utf-8-sig') as file:
            content = json.load(file)
        texts: dict[Any, list[str]] = defaultdict(list)
        for annotation in content['annotations']:
            if 'caption' not in annotation:
                raise DataError(
                    f'{ann_file} holds no captions; captions_*.json does'
                )
            caption = written(annotation['caption'])
            texts[annotation['image_id']].append(str(caption).strip())
        for image in content['images']:
            yield dict(image=image['file_name'], text=texts[image['id']])
    except DataError:
        raise
    # a hostile file nests deeper than the interpreter can follow
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(
            f'{ann_file} is no COCO file with images and annotations: '
            f'{type(error).__name__}: {error}'
        ) from error


KINDS: dict[str, Callable[..., Source]] = {
    'folder': ImageFolderSource,
    'files': PairedFilesSource,
    'list': _open_list,
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
        suffix = osp.splitext(path)[1].lower()
        if suffix in ('.csv', '.tsv', '.jsonl', '.json', '.parquet'):
            kind = 'list'
        else:
            kind = 'shards' if '.tar' in path else 'folder'
    if kind not in KINDS:
        raise ValueError(f'kind is one of {sorted(KINDS)}, not {kind!r}')
    return KINDS[kind](path, **options)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End a tool with one line if its data or arguments are wrong.

    Raises:
        MistakeExit: Instead of what sources and converters raise.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, OSError, ImportError) as error:
        # str() of a KeyError puts its message in quotation marks
        message = error.args[0] if len(error.args) == 1 else error
        if isinstance(error, UnicodeEncodeError):
            message = f'{error.object!a} is not in UTF-8: rename the file'
        raise MistakeExit(str(message)) from error
