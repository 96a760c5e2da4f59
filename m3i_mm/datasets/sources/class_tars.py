"""ImageNet-22k as it is distributed: one tar archive for each class."""

from __future__ import annotations

import glob
import logging
import os
import os.path as osp
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.logging import print_log

from m3i_mm.registry import DATASETS

from ..faults import as_fault
from ..images import IMAGE_SUFFIXES
from .base import Sample, Source
from .tar_members import TarMembers, is_meta

__all__ = ['ClassTarsSource']


@DATASETS.register_module()
class ClassTarsSource(Source):
    """Pictures in uncompressed archives named by their classes.

    Labels number the archives in sorted order, whether or not they can be
    read. The archives stay as they are: their pictures are found once and
    then read in place. What an archive that breaks off, or is damaged, still
    holds is used, and reported.

    Args:
        root (str): A folder of archives ``n01440764.tar`` ...
        name (str, optional): How logs and reports call the source.

    Attributes:
        classes (list[str]): The names of the archives without suffix.

    Raises:
        FileNotFoundError: If there are no archives.
        ValueError: If one holds no pictures although it is not empty: it is
            compressed, or no tar archive.
    """

    random_access = True

    def __init__(self, root: str, name: str | None = None) -> None:
        super().__init__(name or osp.basename(osp.normpath(root)))
        self.paths = sorted(glob.glob(osp.join(root, '*.tar')))
        if not self.paths:
            raise FileNotFoundError(f'There are no archives {root}/*.tar')
        self.classes = [osp.basename(path)[:-4] for path in self.paths]
        # of each picture: label, offset, size
        rows: list[tuple[int, int, int]] = []
        names: list[bytes] = []
        for label, path in enumerate(self.paths):
            for name, offset, size in _pictures(path):
                rows.append((label, offset, size))
                names.append(os.fsencode(name))
        if not rows:
            raise ValueError(f'The archives {root}/*.tar hold no pictures')
        self.rows = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self.names = np.array(names)
        self.chunk_sizes = np.array([len(rows)])

    def identity(self) -> Iterator[Any]:
        """Yield the archives and their members."""
        yield from super().identity()
        yield [osp.abspath(path) for path in self.paths]
        yield self.rows.tobytes()
        yield self.names.tobytes()

    def read_chunk(self, chunk: int) -> ClassTarsSource:
        """Return the source itself: its pictures are reached one by one."""
        return self

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        label, offset, size = self.rows[index].tolist()
        key = f'{self.classes[label]}/{os.fsdecode(bytes(self.names[index]))}'
        with as_fault('image', key), open(self.paths[label], 'rb') as file:
            file.seek(offset)
            content = file.read(size)
        return dict(
            sample_key=key, img_bytes=content, fields=dict(label=label)
        )


def _pictures(path: str) -> list[tuple[str, int, int]]:
    """Return name, offset and size of the pictures of an archive."""
    found, others = [], 0
    try:
        with open(path, 'rb') as file:
            members = TarMembers(file)
            for name, offset, size in members:
                if name.lower().endswith(IMAGE_SUFFIXES) and not is_meta(name):
                    found.append((osp.basename(name), offset, size))
                else:
                    others += 1
    except OSError as error:
        raise ValueError(f'Cannot read {path}: {error}') from error
    if members.damage and not found and osp.getsize(path):
        raise ValueError(
            f'{path} is no uncompressed tar archive: {members.damage}'
        )
    if members.damage or others or not found:
        print_log(
            f'{path}: {members.damage or "it is whole"}; {len(found)} '
            f'pictures are used, {others} other files are left out',
            logger='current',
            level=logging.WARNING,
        )
    return found
