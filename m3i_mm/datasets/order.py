"""The order in which the samples of a source are used.

The passes over a source form one endless sequence of positions. A pass
permutes the chunks, puts neighbours into windows, and permutes the samples of
each window. So an order is as random as the window is wide, while only one
window of chunks is ever needed at a time, and the sample at any position is
known without visiting those before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from .permutation import Permutation
from .randomness import generator

__all__ = ['Intervals', 'SampleOrder']

# samples of a window that are permuted as a list; of more than these the
# permutation is computed a part at a time
MAX_LISTED = 2**24
PART = 2**14

K = TypeVar('K', bound=Hashable)
V = TypeVar('V')


class _Pass(NamedTuple):
    chunks: np.ndarray  # (num_chunks,) chunk numbers in the order of reading
    starts: np.ndarray  # (num_chunks + 1,) position at which each one starts


class SampleOrder:
    """Endless sequence of (chunk, offset) over a source.

    Args:
        chunk_sizes (np.ndarray): The samples of each chunk, (num_chunks,).
        seed (tuple[int, ...]): Coordinates of the source in the run.
        window (int): The number of chunks that are shuffled together.
        shuffle (bool): Whether to permute at all. Defaults to True.
    """

    def __init__(
        self,
        chunk_sizes: np.ndarray,
        seed: tuple[int, ...],
        window: int,
        shuffle: bool = True,
    ) -> None:
        self.chunk_sizes = chunk_sizes
        self.seed = seed
        self.window = window
        self.shuffle = shuffle
        self.length = int(chunk_sizes.sum())
        self._passes: _Recent[int, _Pass] = _Recent()
        # by pass, window and part of the window
        self._windows: _Recent[tuple[int, int, int], np.ndarray] = _Recent()

    def __getitem__(self, position: int) -> tuple[int, int]:
        """Return the chunk and the offset in it of a position.

        Args:
            position (int): Non-negative; ``position // length`` is the pass.

        Returns:
            tuple[int, int]: The number of the chunk, and of the sample in it.
        """
        number, place = divmod(position, self.length)
        chunks, starts = self._pass(number)
        window = self._rank(starts, place) // self.window
        first = window * self.window
        if self.shuffle:
            offset = int(place - starts[first])
            place = int(starts[first]) + self._shuffled(
                number, window, starts, offset
            )
        rank = self._rank(starts, place)
        return int(chunks[rank]), int(place - starts[rank])

    def window_at(self, position: int) -> tuple[tuple[int, ...], int]:
        """Return what is read together around a position.

        Args:
            position (int): See :meth:`__getitem__`.

        Returns:
            tuple[tuple[int, ...], int]: The chunks of its window, and the
            position at which the next window begins.
        """
        number, place = divmod(position, self.length)
        chunks, starts = self._pass(number)
        first = self._rank(starts, place) // self.window * self.window
        last = min(first + self.window, len(chunks))
        end = number * self.length + int(starts[last])
        # chunks without samples are never read
        used = [c for c in chunks[first:last].tolist() if self.chunk_sizes[c]]
        return tuple(used), end

    @staticmethod
    def _rank(starts: np.ndarray, place: int) -> int:
        return int(np.searchsorted(starts, place, side='right')) - 1

    def _pass(self, number: int) -> _Pass:
        known = self._passes.get(number)
        if known is None:
            count = len(self.chunk_sizes)
            rng = generator(*self.seed, number)
            chunks = (
                rng.permutation(count) if self.shuffle else np.arange(count)
            )
            starts = np.concatenate([[0], self.chunk_sizes[chunks].cumsum()])
            known = _Pass(chunks, starts)
            self._passes.put(number, known, count)
        return known

    def _shuffled(
        self, number: int, window: int, starts: np.ndarray, offset: int
    ) -> int:
        """Return where an offset in a window goes."""
        first = window * self.window
        last = min(first + self.window, len(starts) - 1)
        size = int(starts[last] - starts[first])
        # of a window too large for a list, a part of it at a time
        length = size if size <= MAX_LISTED else PART
        part, offset = divmod(offset, length)
        known = self._windows.get((number, window, part))
        if known is None:
            seed = (*self.seed, number, window)
            if size <= MAX_LISTED:
                known = generator(*seed).permutation(size)
            else:
                begin = part * PART
                places = np.arange(begin, min(begin + PART, size))
                known = Permutation(size, seed)(places)
            self._windows.put((number, window, part), known, len(known))
        return int(known[offset])


class _Recent(Generic[K, V]):
    """What was used last, up to a total size, but two entries at least."""

    MAX_SIZE = MAX_LISTED

    def __init__(self) -> None:
        self.entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size = 0

    def get(self, key: K) -> V | None:
        if key not in self.entries:
            return None
        self.entries.move_to_end(key)
        return self.entries[key][0]

    def put(self, key: K, value: V, size: int) -> None:
        self.entries[key] = value, size
        self.size += size
        while self.size > self.MAX_SIZE and len(self.entries) > 2:
            _, (_, freed) = self.entries.popitem(last=False)
            self.size -= freed


class Intervals:
    """Ranges of positions, addressed as if they were one after another.

    Args:
        ranges (list[tuple[int, int]]): Half-open ranges ``[begin, end)``.
    """

    def __init__(self, ranges: list[tuple[int, int]]) -> None:
        self.ranges = [(begin, end) for begin, end in ranges if end > begin]
        lengths = [end - begin for begin, end in self.ranges]
        self.starts = np.concatenate([[0], np.cumsum(lengths, dtype=int)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> int:
        """Return the position that the ``index``-th place stands for."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = int(np.searchsorted(self.starts, index, side='right')) - 1
        return int(self.ranges[which][0] + index - self.starts[which])

    def cut(self, begin: int, end: int) -> list[tuple[int, int]]:
        """Return the ranges that the places ``[begin, end)`` cover."""
        pieces = []
        for start, (low, high) in zip(self.starts, self.ranges, strict=False):
            left = max(begin - start, 0)
            right = min(end - start, high - low)
            if left < right:
                pieces.append((int(low + left), int(low + right)))
        return pieces
