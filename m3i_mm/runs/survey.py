"""Look at pictures before a training: what is there, and what follows."""

from __future__ import annotations

import glob
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
from m3i_mm.datasets.sources import Source
from m3i_mm.datasets.sources.tables import read_table
from m3i_mm.datasets.transforms import DecodeImage
from m3i_mm.utils.names import near_names

from .config_check import ConfigError

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
    settings = _source_settings(path, columns or {})
    try:
        source: Source = DATASETS.build(ConfigDict(settings))
    except (OSError, KeyError, ValueError, ImportError) as error:
        raise ConfigError(f'{path}: {error.args[0]}') from error
    found = Survey(path, settings, len(source))
    _look_at_fields(source, found)
    _look_at_pictures(source, found)
    if len(found.broken) == min(found.count, MOST_PICTURES):
        raise ConfigError(
            f'{path}: no picture can be decoded, {found.broken[0]} neither'
        )
    return found


def _source_settings(path: str, columns: dict[str, str]) -> dict[str, Any]:
    path = osp.abspath(path) if '://' not in path else path
    if path.endswith(LISTS):
        return _list_settings(path, columns)
    if '.tar' in path or '{' in path or '://' in path:
        return dict(type='m3i_mm.ShardSource', urls=path)
    if not osp.isdir(path):
        raise ConfigError(f'there is no file or folder {path!r}')
    if osp.isfile(osp.join(path, 'state.json')):
        return _hugging_face_settings(path, columns)
    if glob.glob(osp.join(glob.escape(path), '*.tar*')):
        return dict(type='m3i_mm.ShardSource', urls=osp.join(path, '*.tar*'))
    lists = [
        file
        for suffix in LISTS
        for file in glob.glob(osp.join(glob.escape(path), f'*{suffix}'))
    ]
    if len(lists) > 1:
        names = ', '.join(map(osp.basename, sorted(lists)))
        raise ConfigError(f'{path} holds several lists: give one of {names}')
    if lists:
        return _list_settings(lists[0], columns)
    if _has_captions(path):
        return dict(type='m3i_mm.PairedFilesSource', root=path)
    return dict(type='m3i_mm.ImageFolderSource', root=path)


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
        there = list(read_table(path).columns)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f'{path}: {error}') from error
    chosen = _choose_columns(path, there, columns)
    if 'image' not in chosen:
        raise ConfigError(
            f'{path} has the columns {", ".join(there)}: say which one holds '
            'the pictures, as --columns image=NAME'
        )
    chosen.setdefault('text', [])
    return dict(type='m3i_mm.ImageTextListSource', path=path, **chosen)


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
                f'{path} has no column {name!r}.' + near_names(name, there)
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
        if label is not None and label != '':
            labels[label] += 1
    known = getattr(source, 'classes', None)
    if known:
        found.classes = list(known)
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
        found.named = not all(isinstance(label, int) for label in labels)
        names = map(str, labels) if found.named else range(max(labels) + 1)
        found.classes = (
            sorted(map(str, names))
            if found.named
            else [str(name) for name in names]
        )
    if len(found.classes) == 1:
        found.remarks.append('one class says nothing: left out')
        found.classes = []


def _look_at_pictures(source: Source, found: Survey) -> None:
    decode = DecodeImage(reduce=True)
    every = max(1, found.seen // MOST_PICTURES)
    chosen = list(_samples(source, every * MOST_PICTURES))[::every]
    for sample in chosen[:MOST_PICTURES]:
        if isinstance(sample, SampleError):
            found.broken.append(sample.key)
            continue
        try:
            decode(dict(sample))
        except SampleError as error:
            found.broken.append(error.key)
