"""One run at a time in a work folder."""

from __future__ import annotations

import os
import os.path as osp
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from .config_check import ConfigError

__all__ = ['hold_folder']

LOCK = '.lock'


@contextmanager
def hold_folder(folder: str) -> Iterator[None]:
    """Keep other runs out of a work folder while a block runs.

    The lock is the system's and ends with the process, however that ends.

    Args:
        folder (str): The work folder, made if it is not there.

    Raises:
        ConfigError: If another run holds it, or it cannot be written to.
    """
    path = osp.join(folder, LOCK)
    try:
        os.makedirs(folder, exist_ok=True)
        file = open(path, 'a+', encoding='utf8')  # noqa: SIM115
    except OSError as error:
        raise ConfigError(
            f'the work folder {folder} cannot be written to: '
            f'{error.strerror}. --work-dir names another'
        ) from error
    with file:
        if not _lock(file.fileno()):
            file.seek(0)
            raise ConfigError(
                f'the work folder {folder} is in use by {file.read()}. End '
                'that run, or give this one another folder by --work-dir'
            )
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}')
        file.flush()
        yield


def _lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has none
        return True
    try:
        # unlike flock's, not kept by workers that outlive the process
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # file systems without locks refuse otherwise
        return not isinstance(error, (BlockingIOError, PermissionError))
    return True
