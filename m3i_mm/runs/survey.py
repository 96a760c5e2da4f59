"""Look at pictures before a training: what is there, and what follows."""

from __future__ import annotations

import glob
import os
import os.path as osp
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import DATASETS

from m3i_mm.datasets.faults import SampleError
from m3i_mm.datasets.images import IMAGE_SUFFIXES
from m3i_mm.datasets.sources import ImageFolderSource, Source
from m3i_mm.datasets.sources.tables import Table, read_table
from m3i_mm.datasets.transforms import DecodeImage
from m3i_mm.utils.names import near_names

from .config_check import ConfigError
from .own_parts import TRAIN_NAMES, VAL_NAMES

__all__ = ['Survey', 'survey']

LISTS = ('.csv', '.tsv', '.json', '.jsonl', '.parquet')
# names of columns, the likeliest first
COLUMNS = dict(
    image=('image', 'file_name', 'filename', 'image_path', 'path', 'file'),
    text=('text', 'caption', 'captions', 'title', 'description'),
    label=('label', 'class', 'category', 'class_id', 'category_id'),
)
# samples whose labels and texts are looked at, and whose pictures are decoded
MOST_FIELDS, MOST_PICTURES = 100_000, 32
MOST_CLASSES = 100_000


@dataclass
class Survey:
    """What lies at a path.

    Attributes:
        path (str): The path.
        source (dict): Config of the source that reads it.
        count (int): Number of pictures.
        classes (list[str]): Names of the classes, or their numbers as text;
            empty without labels for all pictures.
        named (bool): Whether labels are names instead of numbers.
        texts (int): How many of the samples looked at have a text.
        seen (int): How many samples were looked at.
        broken (list[str]): Pictures that cannot be decoded, of those tried.
        fault (str): What is wrong with the first of these.
        remarks (list[str]): What was left out, and why.
    """

    path: str
    source: dict[str, Any]
    count: int
    classes: list[str] = field(default_factory=list)
    named: bool = False
    texts: int = 0
    seen: int = 0
    broken: list[str] = field(default_factory=list)
    fault: str = ''
    remarks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kind = self.source['type'].removeprefix('m3i_mm.')
        parts = [f'{self.count} pictures ({kind})']
        if self.classes:
            shown = ', '.join(self.classes[:3])
            more = ', ...' if len(self.classes) > 3 else ''
            parts.append(f'{len(self.classes)} classes ({shown}{more})')
        else:
            parts.append('no classes')
        of_all = '' if self.texts == self.seen else f' on {self.texts}'
        parts.append(f'captions{of_all}' if self.texts else 'no captions')
        tried = min(self.count, MOST_PICTURES)
        parts.append(f'{len(self.broken)} of {tried} tried are broken')
        lines = [f'{self.path}: ' + ', '.join(parts)]
        return '\n'.join([*lines, *(f'  {text}' for text in self.remarks)])


def survey(path: str, columns: dict[str, str] | None = None) -> Survey:
    """Look at the pictures at a path.

    Args:
        path (str): A folder of pictures, nested or of classes; of
            WebDataset shards; written by Hugging Face's ``save_to_disk``; a
            list (CSV, TSV, JSON lines, Parquet); or a pattern of shards.
        columns (dict, optional): Names of the columns ``image``, ``text``
            and ``label`` of a list.

    Returns:
        Survey: What was found.

    Raises:
        ConfigError: If there are no pictures, or the columns are not clear.
    """
    remarks: list[str] = []
    settings = _source_settings(path, columns or {}, remarks)
    try:
        source: Source = DATASETS.build(ConfigDict(settings))
    except (OSError, KeyError, ValueError, ImportError) as error:
        raise ConfigError(_about(path, str(error.args[0]))) from error
    found = Survey(path, settings, len(source), remarks=remarks)
    _look_at_fields(source, found)
    _look_at_pictures(source, found)
    if len(found.broken) == min(found.count, MOST_PICTURES):
        raise ConfigError(
            f'{path}: no picture can be read; the first: {found.fault}'
        )
    return found


def _source_settings(
    path: str, columns: dict[str, str], remarks: list[str]
) -> dict[str, Any]:
    if not path:
        raise ConfigError('the name of the pictures is empty')
    path = osp.abspath(path) if '://' not in path else path
    if osp.isdir(path):
        return _folder_settings(path, columns, remarks)
    if path.lower().endswith(LISTS):
        return _list_settings(path, columns)
    if '.tar' in path or '{' in path or '://' in path:
        return dict(type='m3i_mm.ShardSource', urls=path)
    if path.lower().endswith(IMAGE_SUFFIXES) and osp.isfile(path):
        raise ConfigError(
            f'{path} is one picture: give the folder or a list of many'
        )
    if osp.exists(path):
        raise ConfigError(
            f'{path} is neither a folder nor shards (.tar) nor a list '
            f'({", ".join(LISTS)})'
        )
    raise ConfigError(f'there is no file or folder {path!r}')


def _folder_settings(
    path: str, columns: dict[str, str], remarks: list[str]
) -> dict[str, Any]:
    if osp.isfile(osp.join(path, 'state.json')):
        return _hugging_face_settings(path, columns)
    path = _training_half(path, remarks)
    entries = sorted(os.listdir(path))
    archives = [name for name in entries if '.tar' in name]
    archives = [n for n in archives if osp.isfile(osp.join(path, n))]
    lists = [name for name in entries if name.lower().endswith(LISTS)]
    pictures = _holds_pictures(path)
    if archives and not pictures:
        urls = osp.join(glob.escape(path), '*.tar*')
        return dict(type='m3i_mm.ShardSource', urls=urls)
    chosen = [osp.join(path, name) for name in lists]
    if pictures and not columns:
        chosen = [file for file in chosen if _names_pictures(file)]
    left = [n for n in lists if osp.join(path, n) not in chosen] + archives
    if left:
        remarks.append(f'beside the pictures, left out: {", ".join(left)}')
    if len(chosen) > 1:
        names = ', '.join(map(osp.basename, chosen))
        raise ConfigError(f'{path} holds several lists: give one of {names}')
    if chosen:
        return _list_settings(chosen[0], columns)
    if _has_captions(path):
        return dict(type='m3i_mm.PairedFilesSource', root=path)
    return dict(type='m3i_mm.ImageFolderSource', root=path)


def _training_half(path: str, remarks: list[str]) -> str:
    """Return the folder of the training, where a set has halves."""
    folders = [entry.name for entry in os.scandir(path) if entry.is_dir()]
    halves = {n for n in folders if n in TRAIN_NAMES + VAL_NAMES}
    train = next((n for n in TRAIN_NAMES if n in halves), None)
    if train is None or len(halves) < 2 or len(halves) < len(folders):
        return path
    others = ', '.join(sorted(halves - {train}))
    remarks.append(f'{train}/ is used, and for evaluation left out: {others}')
    return osp.join(path, train)


def _holds_pictures(path: str) -> bool:
    """Whether there are pictures in a folder or in those in it."""
    folders = [path, *(e.path for e in os.scandir(path) if e.is_dir())]
    return any(
        name.lower().endswith(IMAGE_SUFFIXES)
        for folder in folders
        for name in os.listdir(folder)
    )


def _names_pictures(path: str) -> bool:
    """Whether a file is a list with a column of pictures."""
    try:
        table = read_table(path)
        first = table.read_chunk(0)[0] if table.chunk_sizes.any() else {}
    except (OSError, ValueError, ImportError, SampleError):
        return False
    cells = (cell for cell in first.values() if isinstance(cell, str))
    return any(name in COLUMNS['image'] for name in table.columns) or any(
        cell.lower().endswith(IMAGE_SUFFIXES) for cell in cells
    )


def _has_captions(folder: str) -> bool:
    """Whether the first text files of a folder lie beside pictures."""
    pattern = osp.join(glob.escape(folder), '**', '*.txt')
    stems = (
        osp.splitext(file)[0] for file in glob.iglob(pattern, recursive=True)
    )
    return any(
        osp.isfile(stem + suffix)
        for stem in islice(stems, 16)
        for suffix in IMAGE_SUFFIXES
    )


def _list_settings(path: str, columns: dict[str, str]) -> dict[str, Any]:
    try:
        table = read_table(path)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(_about(path, str(error))) from error
    there = list(table.columns)
    if not there:
        raise ConfigError(f'{path} is empty')
    chosen = _choose_columns(path, there, columns)
    if 'image' not in chosen:
        raise ConfigError(
            f'{path} has the columns {", ".join(there)}: say which one holds '
            'the pictures, as --columns image=NAME'
        )
    chosen.setdefault('text', [])
    if _begins_at_root(table, chosen['image']):
        chosen['root'] = '/'
    return dict(type='m3i_mm.ImageTextListSource', path=path, **chosen)


def _begins_at_root(table: Table, column: str) -> bool:
    """Whether the first picture of a list is a path from the root."""
    try:
        first = table.read_chunk(0)[0] if table.chunk_sizes.any() else {}
    except SampleError:
        return False
    path = first.get(column)
    return isinstance(path, str) and osp.isabs(path)


def _about(path: str, message: str) -> str:
    """Name the path in a message that does not yet."""
    return message if path in message else f'{path}: {message}'


def _hugging_face_settings(
    path: str, columns: dict[str, str]
) -> dict[str, Any]:
    try:
        from datasets import load_from_disk

        there = list(load_from_disk(path).features)
    except Exception as error:  # datasets raises errors of many kinds
        raise ConfigError(f'{path}: {error}') from error
    chosen = _choose_columns(path, there, columns)
    return dict(type='m3i_mm.HuggingFaceSource', path=path, **chosen)


def _choose_columns(
    path: str, there: list[str], given: dict[str, str]
) -> dict[str, Any]:
    """Return the columns of picture, text and label that a table has."""
    for role, name in given.items():
        if role not in COLUMNS:
            raise ConfigError(
                f'--columns {role}={name}: the columns are image, text and '
                'label.' + near_names(role, COLUMNS)
            )
        if name not in there:
            raise ConfigError(
                f'{path} has no column {name!r}, only {", ".join(there)}.'
                + near_names(name, there)
            )
    chosen: dict[str, Any] = {}
    for role, names in COLUMNS.items():
        found = given.get(role) or next((n for n in names if n in there), None)
        if found:
            chosen[role] = found
    return chosen


def _samples(source: Source, most: int) -> Iterator[Any]:
    """Yield up to so many samples, undecoded, and faults of the others."""
    left = most
    for chunk in range(len(source.chunk_sizes)):
        try:
            samples = source.read_chunk(chunk)
        except SampleError as error:
            yield error
            continue
        for index in range(min(len(samples), left)):
            try:
                yield samples[index]
            except SampleError as error:
                yield error
        left -= len(samples)
        if left <= 0:
            return


def _look_at_fields(source: Source, found: Survey) -> None:
    labels: Counter[Any] = Counter()
    for sample in _samples(source, MOST_FIELDS):
        if isinstance(sample, SampleError):
            continue
        found.seen += 1
        text, label = (sample['fields'].get(k) for k in ('text', 'label'))
        found.texts += bool(text)
        # -1 and the like stand for no label
        unlabelled = isinstance(label, int) and label < 0
        if label is not None and label != '' and not unlabelled:
            labels[label] += 1
    known = getattr(source, 'classes', None)
    if known:
        found.classes = list(known)
    elif _has_stray_pictures(source):
        found.remarks.append(
            'pictures lie beside the folders, which therefore are no classes'
        )
    elif labels and labels.total() < found.seen:
        found.remarks.append(
            f'{found.seen - labels.total()} pictures have no label, so '
            'categories are left out'
        )
    elif labels and found.count > found.seen:
        found.remarks.append(
            f'labels beyond {MOST_FIELDS} samples were not counted, so '
            'categories are left out'
        )
    elif labels:
        # numbers that no classes are counted by are names too
        found.named = not all(
            isinstance(label, int) and label < MOST_CLASSES for label in labels
        )
        names = map(str, labels) if found.named else range(max(labels) + 1)
        found.classes = (
            sorted(map(str, names))
            if found.named
            else [str(name) for name in names]
        )
    if len(found.classes) == 1:
        found.remarks.append('one class says nothing: left out')
        found.classes = []


def _has_stray_pictures(source: Source) -> bool:
    if not isinstance(source, ImageFolderSource):
        return False
    nested = (b'/' in path for path in source.paths)
    first = next(nested)
    return any(other != first for other in nested)


def _look_at_pictures(source: Source, found: Survey) -> None:
    decode = DecodeImage(reduce=True)
    every = max(1, found.seen // MOST_PICTURES)
    chosen = list(_samples(source, every * MOST_PICTURES))[::every]
    for sample in chosen[:MOST_PICTURES]:
        try:
            if isinstance(sample, SampleError):
                raise sample
            decode(dict(sample))
        except SampleError as error:
            found.fault = found.fault or str(error)
            found.broken.append(error.key)
