"""What can be wrong with a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ['CheckpointError', 'MissingCheckpointError', 'errors_about']


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read or does not fit the model."""


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """A checkpoint that is not there."""


@contextmanager
def errors_about(path: str) -> Iterator[None]:
    """Name the file in errors of what knows its content alone.

    Args:
        path (str): The file.

    Raises:
        CheckpointError: The same with the path in front.
    """
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from error
