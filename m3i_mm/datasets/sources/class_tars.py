"""ImageNet-22k as it is distributed: one tar archive for each class."""

from __future__ import annotations

import glob
import os
import os.path as osp
import tarfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from m3i_mm.registry import DATASETS

from ..faults import SampleError
from .base import Sample, Source

__all__ = ['ClassTarsSource']


@DATASETS.register_module()
class ClassTarsSource(Source):
    """Pictures in uncompressed archives named by their classes.

    Labels number the archives in sorted order. The archives stay as they are:
    their members are found once and then read in place.

    Args:
        root (str): A folder of archives ``n01440764.tar`` ...
        name (str, optional): How logs and reports call the source.

    Attributes:
        classes (list[str]): The names of the archives without suffix.

    Raises:
        FileNotFoundError: If there are no archives.
        ValueError: If one is not an uncompressed tar archive.
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
            for member in _members(path):
                rows.append((label, member.offset_data, member.size))
                names.append(os.fsencode(osp.basename(member.name)))
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
        try:
            with open(self.paths[label], 'rb') as file:
                file.seek(offset)
                content = file.read(size)
        except OSError as error:
            raise SampleError('image', key, str(error)) from error
        return dict(
            sample_key=key, img_bytes=content, fields=dict(label=label)
        )


def _members(path: str) -> list[tarfile.TarInfo]:
    try:
        with tarfile.open(path, 'r:') as archive:
            return [member for member in archive if member.isreg()]
    except tarfile.TarError as error:
        raise ValueError(
            f'{path} is no uncompressed tar archive: {error}'
        ) from error
