"""Pictures in folders."""

from __future__ import annotations

import os
import os.path as osp
from collections.abc import Iterator, Sequence

import numpy as np

from m3i_mm.registry import DATASETS

from ..images import IMAGE_SUFFIXES
from .base import Sample, Source

__all__ = ['ImageFolderSource', 'ImageNetSource']


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

    Attributes:
        classes (list[str]): The names of the classes, if known.

    Raises:
        FileNotFoundError: If the folder or list does not exist or holds no
            pictures.
        ValueError: If a line of the list has no valid label, or pictures lie
            outside the folders of classes.
    """

    random_access = True

    def __init__(
        self,
        root: str,
        ann_file: str | None = None,
        labels: bool | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name or osp.basename(osp.normpath(root)))
        if not osp.isdir(root):
            raise FileNotFoundError(f'There is no folder {root!r}')
        self.root = root
        self.classes: list[str] = []
        if ann_file is not None:
            paths, numbers = _read_list(ann_file)
        else:
            paths = sorted(_find_images(root))
            if labels is None:
                labels = all('/' in path for path in paths)
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
        self.classes = sorted({path.partition('/')[0] for path in paths})
        numbers = {name: number for number, name in enumerate(self.classes)}
        return [numbers[path.partition('/')[0]] for path in paths]

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
        return dict(
            sample_key=path,
            img_path=osp.join(self.root, path),
            fields=fields,
        )


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
                'folders are missing or do not belong there'
            )


def _has_folders(folder: str) -> bool:
    return osp.isdir(folder) and any(
        entry.is_dir() for entry in os.scandir(folder)
    )


def _find_images(root: str) -> Iterator[str]:
    for folder, _, files in os.walk(root, followlinks=True):
        relative = osp.relpath(folder, root)
        prefix = '' if relative == '.' else relative.replace(os.sep, '/') + '/'
        for file in files:
            if file.lower().endswith(IMAGE_SUFFIXES):
                yield prefix + file


def _read_list(ann_file: str) -> tuple[list[str], list[int] | None]:
    if not osp.isfile(ann_file):
        raise FileNotFoundError(f'There is no list {ann_file!r}')
    with open(ann_file, encoding='utf-8') as file:
        lines = [line.strip() for line in file if line.strip()]
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
