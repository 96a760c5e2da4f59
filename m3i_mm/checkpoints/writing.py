"""Write files so that a reader finds the old one or the new one, whole."""

from __future__ import annotations

import os
import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend
from mmengine.fileio.io import backend_instances

from .errors import CheckpointError

__all__ = ['AtomicLocalBackend', 'WriteError', 'install', 'replacing']


class WriteError(CheckpointError, OSError):
    """A file that cannot be written."""


@contextmanager
def replacing(path: str | Path) -> Iterator[str]:
    """Yield where to write a file that takes its place when it is complete.

    A process that is killed meanwhile leaves the former file.

    Args:
        path (str | Path): The file; its folder is made.

    Yields:
        str: A path in the same folder.

    Raises:
        WriteError: If the disk is full or the folder may not be written to.
    """
    path = str(path)
    temporary = f'{path}.{os.getpid()}.part'
    try:
        os.makedirs(osp.dirname(path) or '.', exist_ok=True)
        yield temporary
        with open(temporary, 'rb') as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(
            f'{path} cannot be written: {error.strerror}. What was there '
            'before is untouched'
        ) from error
    finally:
        with suppress(OSError):
            os.remove(temporary)


class AtomicLocalBackend(LocalBackend):
    """The local files of MMEngine, each replaced as a whole."""

    def put(self, obj: bytes | memoryview, filepath: str | Path) -> None:
        """Write bytes to a file."""
        with replacing(filepath) as path, open(path, 'wb') as file:
            file.write(obj)

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Write text to a file."""
        with (
            replacing(filepath) as path,
            open(path, 'w', encoding=encoding) as file,
        ):
            file.write(obj)


def install() -> None:
    """Make MMEngine write local files this way, checkpoints among them."""
    register_backend('local', AtomicLocalBackend, force=True, prefixes='')
    for key in [key for key in backend_instances if key.startswith(':')]:
        del backend_instances[key]
