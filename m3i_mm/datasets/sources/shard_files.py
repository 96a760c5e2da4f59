"""A shard as a file that can be read by offset, wherever it is stored."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tempfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from .shard_urls import is_remote
from .tar_index import TarIndex
from .transfer import DiskError, Limits, fetch

__all__ = ['ShardFile']

BLOCK = 2**20
# what compressed files begin with
DECOMPRESS: dict[bytes, Callable[..., Any]] = {
    b'\x1f\x8b': gzip.open,
    b'BZh': bz2.open,
    b'\xfd7zXZ': lzma.open,
}
ZSTD = b'\x28\xb5\x2f\xfd'


class ShardFile:
    """A shard, opened.

    What is remote or compressed is copied to a temporary file that has no
    name, so that nothing remains of it however the process ends.

    Args:
        url (str): A path or URL.
        limits (Limits): When to give up a remote shard.
        cache_dir (str, optional): The folder of the temporary file.

    Attributes:
        index (TarIndex): Where its samples are.
        error (str, optional): Why it may hold fewer samples than it should.

    Raises:
        OSError: If a local file cannot be opened.
        RuntimeError: If there is no room for the temporary file.
    """

    def __init__(
        self, url: str, limits: Limits, cache_dir: str | None = None
    ) -> None:
        self.error: str | None = None
        try:
            self._file = self._open(url, limits, cache_dir)
        except DiskError as error:
            raise RuntimeError(
                f'Cannot copy the shard {url} to '
                f'{cache_dir or tempfile.gettempdir()}: {error}. Choose '
                'another folder by cache_dir, or a smaller window'
            ) from error
        self.index = TarIndex(self._file)
        self.error = self.error or self.index.damage
        if hasattr(os, 'posix_fadvise'):  # Linux: all of it is used soon
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    def read(self, offset: int, size: int) -> bytes:
        """Read a part of the archive.

        Raises:
            OSError: If it cannot be read, or ends before.
        """
        # unlike seek and read, whole even if processes share the file
        content = os.pread(self._file.fileno(), size, offset)
        if len(content) < size:
            raise OSError(f'{len(content)} of {size} bytes are left')
        return content

    def _open(
        self, url: str, limits: Limits, cache_dir: str | None
    ) -> BinaryIO:
        if is_remote(url):
            file = _make_file(cache_dir)
            error = fetch(url, file, limits)
            if isinstance(error, DiskError):
                raise error
            self._note(error)
        else:
            file = open(url, 'rb')  # noqa: SIM115
        decompress = _decompressor(file)
        if decompress is None:
            return file
        plain = _make_file(cache_dir)
        with file, decompress(file) as stream:
            self._note(_copy(stream, plain, limits.max_bytes))
        return plain

    def _note(self, error: Exception | None) -> None:
        if error is not None and self.error is None:
            self.error = f'{type(error).__name__}: {error}'


def _make_file(folder: str | None) -> BinaryIO:
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise DiskError(str(error)) from error


def _decompressor(file: BinaryIO) -> Callable[..., Any] | None:
    file.seek(0)
    start = file.read(6)
    file.seek(0)
    if start.startswith(ZSTD):
        raise OSError('it is compressed by zstd: unpack it, or use gzip')
    for magic, decompress in DECOMPRESS.items():
        if start.startswith(magic):
            return decompress
    return None


def _copy(stream: Any, file: BinaryIO, max_bytes: int) -> Exception | None:
    """Unpack; return why the result is not whole."""
    while True:
        try:
            # unlike read, gives what there is before the end is missing
            block = stream.read1(BLOCK)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            return error
        if not block:
            return None
        try:
            file.write(block)
        except OSError as error:
            raise DiskError(str(error)) from error
        if file.tell() > max_bytes:
            return ValueError(f'it unpacks to more than {max_bytes} bytes')
