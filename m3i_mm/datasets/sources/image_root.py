"""A folder or an archive that pictures are taken from by path."""

from __future__ import annotations

import logging
import os
import os.path as osp
import posixpath
import zipfile
from typing import Any

from mmengine.logging import print_log

from ..faults import SampleError, as_fault
from .tar_members import TarMembers

__all__ = ['ImageRoot', 'lies_below']


class ImageRoot:
    """A folder or archive that pictures are taken from by path.

    Members of an archive are found as ``a/b.jpg``, ``./a/b.jpg`` and
    with backslashes alike, as the archives of other tools spell them.

    Args:
        root (str): A folder, a ``.zip``, or an uncompressed ``.tar``.
        max_bytes (int): Members that unpack to more are faults. Defaults to
            256 MiB.

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If it is an archive that cannot be read.
    """

    def __init__(self, root: str, max_bytes: int = 2**28) -> None:
        if not osp.exists(root):
            raise FileNotFoundError(f'There is no folder or archive {root!r}')
        self.root = root
        self.max_bytes = max_bytes
        self.is_folder = osp.isdir(root)
        self.is_zip = not self.is_folder and zipfile.is_zipfile(root)
        self._members: dict[str, Any] = {}
        self._archive: tuple[int, Any] | None = None
        if not self.is_folder:
            find = _zip_members if self.is_zip else _tar_members
            self._members = find(root)

    def locate(self, path: str) -> dict[str, Any]:
        """Return ``img_path``, or ``img_bytes`` from the archive.

        Raises:
            SampleError: If the path leads out of the folder, or the archive
                has no such member, or it is damaged, encrypted or larger than
                ``max_bytes``.
        """
        if self.is_folder:
            whole = osp.normpath(osp.join(self.root, path))
            if not lies_below(whole, self.root):
                raise SampleError(
                    'image',
                    path,
                    f'it lies outside of {self.root}; a list of paths from '
                    "the root of the file system needs root='/'",
                )
            return dict(img_path=whole)
        with as_fault('image', f'{path} in {self.root}'):
            return dict(img_bytes=self._read(path))

    def _read(self, path: str) -> bytes:
        if _normal(path) not in self._members:
            raise SampleError('image', f'{path} in {self.root}', 'not found')
        member, size = self._members[_normal(path)]
        if size > self.max_bytes:
            raise ValueError(
                f'it unpacks to {size} bytes, more than {self.max_bytes}'
            )
        archive = self._open()
        if self.is_zip:
            return archive.read(member)
        archive.seek(member)
        content = archive.read(size)
        if len(content) < size:
            raise EOFError(f'{len(content)} of {size} bytes are left')
        return content

    def _open(self) -> Any:
        # processes must not share the position in an open file
        if self._archive is None or self._archive[0] != os.getpid():
            opened: Any = (
                zipfile.ZipFile(self.root)
                if self.is_zip
                else open(self.root, 'rb')  # noqa: SIM115
            )
            self._archive = os.getpid(), opened
        return self._archive[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), '_archive': None}


def lies_below(path: str, folder: str) -> bool:
    """Whether a path does not climb out of a folder.

    Args:
        path (str): The path; a link in the folder may lead out of it.
        folder (str): The folder.
    """
    folder = osp.abspath(folder)
    return osp.commonpath([osp.abspath(path), folder]) == folder


def _normal(path: str) -> str:
    return posixpath.normpath(path.replace('\\', '/'))


def _zip_members(root: str) -> dict[str, Any]:
    """Return what to read, and the unpacked size, by path."""
    try:
        with zipfile.ZipFile(root) as archive:
            return {
                _normal(member.filename): (member.filename, member.file_size)
                for member in archive.infolist()
                if not member.is_dir()
            }
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f'{root} is no readable .zip: {error}') from error


def _tar_members(root: str) -> dict[str, Any]:
    """Return the offset and size by path; of a cut archive what is left."""
    with open(root, 'rb') as file:
        found = TarMembers(file)
        members = {
            _normal(name): (offset, size) for name, offset, size in found
        }
    if found.damage and not members:
        raise ValueError(
            f'{root} is no readable .zip or uncompressed .tar: {found.damage}'
        )
    if found.damage:
        print_log(
            f'{root}: {found.damage}; {len(members)} files are left',
            logger='current',
            level=logging.WARNING,
        )
    return members
