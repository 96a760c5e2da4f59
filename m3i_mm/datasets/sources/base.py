"""What a source of samples is.

A source is a list of *chunks*, and a chunk a list of samples that are read
together: a shard, or everything there is where single samples can be reached
at no cost. Order, mixing, augmentation and resuming are not its business.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

__all__ = ['Chunk', 'Sample', 'Source']

Sample = dict[str, Any]


class Chunk(Protocol):
    """Samples that can be counted and taken by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


class Source(ABC):
    """A finite list of chunks of samples.

    A sample is a dictionary with

    - ``sample_key`` (str): a name that is unique in the source,
    - ``img_bytes`` (bytes), ``img_path`` (str) or ``img`` (an array of shape
      (H, W, 3 or 4), BGR): the picture,
    - ``fields`` (dict): everything else the source knows: label, text ...

    Args:
        name (str, optional): How logs and reports call the source. Defaults
            to the class name.

    Attributes:
        chunk_sizes (np.ndarray): The number of samples of each chunk, shape
            (num_chunks,).
        random_access (bool): Whether single samples are reached at no cost,
            so that it does not matter how many processes share a chunk.
        classes (Sequence[str]): The names that the field ``label`` numbers;
            empty where the source does not know them.
    """

    chunk_sizes: np.ndarray
    classes: Sequence[str] = ()
    random_access: bool = False

    def __init__(self, name: str | None = None) -> None:
        self.name = name or type(self).__name__

    @abstractmethod
    def read_chunk(self, chunk: int) -> Chunk:
        """Read a chunk.

        Args:
            chunk (int): Its number.

        Returns:
            Chunk: Its samples. Taking one may raise
            :class:`~m3i_mm.datasets.faults.SampleError`; so may a chunk that
            turns out shorter than ``chunk_sizes`` says.

        Raises:
            SampleError: If nothing of the chunk can be read.
        """

    def identity(self) -> Iterator[Any]:
        """Yield what the samples depend on: the arguments and the list.

        Pictures are not read for it.
        """
        yield self.name
        yield self.chunk_sizes.tobytes()

    def fingerprint(self) -> str:
        """Return a hash of :meth:`identity`, in hexadecimal digits."""
        total = hashlib.blake2b(type(self).__name__.encode(), digest_size=16)
        for part in self.identity():
            content = part if isinstance(part, bytes) else repr(part).encode()
            total.update(hashlib.blake2b(content).digest())
        return total.hexdigest()

    def prefetch(self, chunks: Iterable[int]) -> None:  # noqa: B027
        """Begin to read chunks that will be needed soon, in this order.

        A hint that a source of remote data may follow; what was wanted
        before and is not now can be dropped.

        Args:
            chunks (Iterable[int]): Their numbers.
        """

    def __len__(self) -> int:
        return int(self.chunk_sizes.sum())

    def __iter__(self) -> Iterator[Sample]:
        """Iterate over all samples in the order they are stored."""
        for chunk in range(len(self.chunk_sizes)):
            samples = self.read_chunk(chunk)
            for index in range(len(samples)):
                yield samples[index]
