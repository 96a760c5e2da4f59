"""Pictures in folders."""

from __future__ import annotations

import logging
import os
import os.path as osp
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from m3i_mm.registry import DATASETS

from ..classes import name_some
from ..faults import DataError, SampleError
from ..images import IMAGE_SUFFIXES
from .base import Sample, Source
from .image_root import lies_below

__all__ = ['ImageFolderSource', 'ImageNetSource', 'is_foreign']

# what macOS, Synology, Windows and file systems put beside the data
FOREIGN = {
    '__MACOSX',
    '__pycache__',
    '@eaDir',
    '#recycle',
    '$RECYCLE.BIN',
    'System Volume Information',
    'lost+found',
}


@DATASETS.register_module()
class ImageFolderSource(Source):
    """All pictures below a folder.

    Args:
        root (str): The folder; sub-folders of any depth are searched.
        ann_file (str, optional): A list with one ``path label`` in a line, or
            only ``path``, relative to ``root``. Only these are used.
        labels (bool): Without a list: whether the folders directly in
            ``root`` are classes, numbered in sorted order, which becomes the
            field ``label``. Defaults to True where there are such folders.
        name (str, optional): How logs and reports call the source.
        classes (Sequence[str], optional): The names of the classes by number,
            where they are not those of the folders in sorted order.

    Hidden folders and files, and those that operating systems leave behind,
    are not looked at. Links to folders are followed, but no folder is read
    twice.

    Attributes:
        classes (list[str]): The names of the classes, if known.

    Raises:
        FileNotFoundError: If the folder or list does not exist or holds no
            pictures.
        ValueError: If a line of the list has no valid label, or pictures lie
            outside the folders of classes.
        DataError: If a folder is none of the given classes.
    """

    random_access = True

    def __init__(
        self,
        root: str,
        ann_file: str | None = None,
        labels: bool | None = None,
        name: str | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name or osp.basename(osp.normpath(root)))
        if not osp.isdir(root):
            raise FileNotFoundError(f'There is no folder {root!r}')
        self.root = root
        self.classes: list[str] = list(classes or [])
        if ann_file is not None:
            paths, numbers = _read_list(ann_file)
        else:
            paths = sorted(_find_images(root))
            if labels is None:
                labels = bool(classes) or all('/' in path for path in paths)
            numbers = self._labels(paths) if labels else None
        if not paths:
            raise FileNotFoundError(
                f'There are no pictures in {ann_file or root!r}; looked for '
                f'{", ".join(IMAGE_SUFFIXES)}'
            )
        # arrays are shared by forked workers, lists of strings are not
        self.paths = np.array([os.fsencode(path) for path in paths])
        self.labels = None if numbers is None else np.array(numbers)
        self.chunk_sizes = np.array([len(paths)])

    def _labels(self, paths: Sequence[str]) -> list[int]:
        stray = [path for path in paths if '/' not in path]
        if stray:
            raise ValueError(
                f'{osp.join(self.root, stray[0])} is in no folder of a class: '
                'move it, or set labels=False'
            )
        found = [path.partition('/')[0] for path in paths]
        self.classes = self.classes or sorted(set(found))
        numbers = {name: number for number, name in enumerate(self.classes)}
        foreign = sorted(set(found) - set(numbers))
        if foreign:
            raise DataError(
                f'{osp.join(self.root, foreign[0])} is the folder of no class '
                f'of {name_some(self.classes)}'
            )
        return [numbers[name] for name in found]

    def identity(self) -> Iterator[Any]:
        """Yield the folder, the paths and the labels."""
        yield from super().identity()
        yield osp.abspath(self.root)
        yield self.paths.tobytes()
        yield None if self.labels is None else self.labels.tobytes()
        yield self.classes

    def read_chunk(self, chunk: int) -> ImageFolderSource:
        """Return the source itself: its pictures are reached one by one."""
        return self

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        path = os.fsdecode(bytes(self.paths[index]))
        fields = {}
        if self.labels is not None:
            fields['label'] = int(self.labels[index])
        whole = osp.join(self.root, path)
        if not lies_below(whole, self.root):
            raise SampleError('image', path, f'it lies outside of {self.root}')
        return dict(sample_key=path, img_path=whole, fields=fields)


@DATASETS.register_module()
class ImageNetSource(ImageFolderSource):
    """ImageNet-1k or ImageNet-22k, extracted.

    Args:
        root (str): Holds ``train/`` and ``val/`` (or only one folder for each
            class, as ImageNet-22k does) and, where ``val/`` has no folders of
            classes, ``meta/val.txt``.
        split (str): ``'train'``, ``'val'``, or ``''`` for ``root`` itself.
        num_classes (int): 1000 for ImageNet-1k, 21841 for ImageNet-22k. A
            wrong number of folders is an error, because it shifts the labels.

    Raises:
        ValueError: If the number of classes is not as stated.
    """

    def __init__(
        self, root: str, split: str = 'train', num_classes: int = 1000
    ) -> None:
        folder = osp.join(root, split) if split else root
        if not osp.isdir(folder):
            raise FileNotFoundError(
                f'There is no folder {folder!r}, as ImageNet has it. Folders '
                "of other classes are read by type='m3i_mm.ImageFolderSource'"
                ', pictures without labels by the config '
                '_base_/datasets/images_two_views_224.py'
            )
        ann_file = osp.join(root, 'meta', f'{split}.txt')
        listed = osp.isfile(ann_file) and not _has_folders(folder)
        super().__init__(
            folder,
            ann_file if listed else None,
            labels=True,
            name=f'ImageNet {split}'.strip(),
        )
        labels: np.ndarray = np.asarray(self.labels)
        found = int(labels.max()) + 1
        if found != num_classes:
            raise ValueError(
                f'{folder} has {found} classes, expected {num_classes}: some '
                'folders are missing or do not belong there. For other '
                'classes set num_classes of the source and of the model'
            )


def _has_folders(folder: str) -> bool:
    return osp.isdir(folder) and any(
        entry.is_dir() for entry in _entries(folder)
    )


def is_foreign(name: str) -> bool:
    """Tell folders and files that are none of a person's pictures.

    Args:
        name (str): The name alone.

    Returns:
        bool: Whether it is hidden, or one that an operating system makes.
    """
    return name.startswith('.') or name in FOREIGN


def _find_images(root: str) -> Iterator[str]:
    """Yield the paths of pictures, each real folder once.

    Folders come before links to folders, so that a picture keeps the path at
    which it lies.
    """
    visited: set[tuple[int, int]] = set()
    folders = ['']
    while folders:
        links = []
        while folders:
            prefix = folders.pop()
            status = os.stat(osp.join(root, prefix))
            if (status.st_dev, status.st_ino) in visited:
                print_log(
                    f'{osp.join(root, prefix)} leads to a folder that was '
                    'read already: left out',
                    logger='current',
                    level=logging.WARNING,
                )
                continue
            visited.add((status.st_dev, status.st_ino))
            for entry in _entries(osp.join(root, prefix)):
                path = prefix + entry.name
                if not entry.is_dir():
                    if path.lower().endswith(IMAGE_SUFFIXES):
                        yield path
                elif entry.is_symlink():
                    links.append(path + '/')
                else:
                    folders.append(path + '/')
        folders = links[::-1]


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if not is_foreign(entry.name)]
    return sorted(found, key=lambda entry: entry.name)


def _read_list(ann_file: str) -> tuple[list[str], list[int] | None]:
    if not osp.isfile(ann_file):
        raise FileNotFoundError(f'There is no list {ann_file!r}')
    try:
        with open(ann_file, encoding='utf-8-sig') as file:
            lines = [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{ann_file} is not in UTF-8: {error}. Save it as UTF-8'
        ) from error
    pairs = [line.rpartition(' ') for line in lines]
    # a path without spaces leaves nothing in front
    if all(not front for front, _, _ in pairs):
        return lines, None
    labels = []
    for number, (front, _, label) in enumerate(pairs, 1):
        if not front or not label.isdigit():
            raise ValueError(
                f'{ann_file}, line {number}: expected "path label", got '
                f'{lines[number - 1]!r}'
            )
        labels.append(int(label))
    return [front for front, _, _ in pairs], labels
