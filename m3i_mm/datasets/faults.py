"""What is wrong with a sample, as opposed to with the configuration.

A data set of millions of pictures always holds some that cannot be read. A
reader or transform says so with :class:`SampleError`; the data set then takes
another sample in its place, and the training process counts the fault. Every
other exception is a mistake of the user or of the code and ends the run.

What the libraries that read and decode raise cannot be listed: OpenCV, Pillow,
zlib and the archives have errors of their own, and hostile files bring up
more. All reading and decoding of samples therefore runs in :func:`as_fault`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ['DataError', 'SampleError', 'as_fault']


class DataError(ValueError):
    """Data that do not fit the configuration, or one another."""


class SampleError(Exception):
    """A sample that cannot be used.

    Args:
        kind (str): What went wrong, in one or two words: ``'image'``,
            ``'json'``, ``'shard'`` ... Faults are counted per kind.
        key (str): The sample, or the shard, that is broken.
        reason (str): The message of the underlying error.
    """

    def __init__(self, kind: str, key: str, reason: str) -> None:
        super().__init__(kind, key, reason)
        self.kind = kind
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f'{self.kind} fault in {self.key}: {self.reason}'


@contextmanager
def as_fault(kind: str, key: str) -> Iterator[None]:
    """Turn any exception of a block that reads or decodes into a fault.

    Only the code of libraries on the bytes of a sample belongs in the block:
    a mistake of our own would be counted as a fault, too.

    Args:
        kind (str): See :class:`SampleError`.
        key (str): The sample, or the shard.

    Raises:
        SampleError: In place of every :class:`Exception`, with its type and
            message in one line; a :class:`SampleError` passes as it is.
    """
    try:
        yield
    except SampleError:
        raise
    except Exception as error:
        message = ' '.join(str(error).split())
        raise SampleError(
            kind, key, f'{type(error).__name__}: {message}'
        ) from error
