"""Who reads what in an epoch: ranges of positions dealt out to streams.

A *stream* is what one worker process of one rank reads. The positions of an
epoch are cut into one contiguous range for each stream and source, so that a
worker walks through its own chunks; batch ``b`` of a rank comes from stream
``b % num_streams``. All of it is arithmetic: the content of any batch, and
what is left after it, is known without visiting those before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .order import Intervals, SampleOrder

__all__ = ['EpochPlan', 'Layout', 'allocate']


class Layout(NamedTuple):
    """How many processes share an epoch.

    Attributes:
        world_size (int): The number of ranks.
        num_streams (int): The number of workers of a rank.
        batch_size (int): The samples in a batch of one rank.
    """

    world_size: int
    num_streams: int
    batch_size: int


def allocate(
    probabilities: np.ndarray, num_batches: int, batch_size: int, mixing: str
) -> np.ndarray:
    """Share the samples of batches among sources.

    What rounding denies a source in one batch is made up for in the next, so
    after any number of batches each source is within one unit (a sample, or a
    batch) of its share.

    Args:
        probabilities (np.ndarray): The share of each source, (num_sources,).
        num_batches (int): The number of batches.
        batch_size (int): The samples in a batch.
        mixing (str): ``'batch'``: every batch holds all sources in
            proportion. ``'step'``: a batch holds samples of one source.

    Returns:
        np.ndarray: Samples of each source in each batch, of shape
        (num_batches, num_sources).
    """
    units, scale = (batch_size, 1) if mixing == 'batch' else (1, batch_size)
    shares = np.empty((num_batches, len(probabilities)), dtype=np.int64)
    if len(probabilities) == 1:
        shares[:] = batch_size
        return shares
    credit = np.zeros(len(probabilities))
    for batch in range(num_batches):
        credit += probabilities * units
        take = np.maximum(np.floor(credit + 1e-9), 0).astype(np.int64)
        missing = units - take.sum()
        order = np.argsort(take - credit, kind='stable')
        take[order[:missing]] += 1
        credit -= take
        shares[batch] = take * scale
    return shares


class EpochPlan:
    """The batches of one epoch on every rank.

    Args:
        intervals (list[Intervals]): The positions of each source that the
            epoch is made of.
        shares (np.ndarray): See :func:`allocate`, (num_batches, num_sources).
        layout (Layout): The ranks and streams.
    """

    def __init__(
        self, intervals: list[Intervals], shares: np.ndarray, layout: Layout
    ) -> None:
        self.intervals = intervals
        self.shares = shares
        self.layout = layout
        streams = layout.num_streams
        # taken before the batch by its own stream, (num_batches, num_sources)
        self.taken = np.empty_like(shares)
        for stream in range(streams):
            own = shares[stream::streams]
            self.taken[stream::streams] = own.cumsum(0) - own
        totals = np.stack([shares[s::streams].sum(0) for s in range(streams)])
        # where the streams of rank 0 start, (num_streams + 1, num_sources)
        self.bounds = np.concatenate([totals[:1] * 0, totals.cumsum(0)])

    def __len__(self) -> int:
        return len(self.shares)

    @property
    def used(self) -> np.ndarray:
        """The samples of each source that all ranks use, (num_sources,)."""
        return self.bounds[-1] * self.layout.world_size

    def batch(self, rank: int, number: int) -> list[tuple[int, int]]:
        """Return the ``(source, position)`` of the samples of a batch."""
        return [
            (source, self.intervals[source][place])
            for source, (begin, _) in enumerate(self._places(rank, number))
            for place in range(begin, begin + self.shares[number, source])
        ]

    def _places(self, rank: int, number: int) -> list[tuple[int, int]]:
        """Return where a batch begins, and its stream ends, by source."""
        stream = number % self.layout.num_streams
        base = rank * self.bounds[-1]
        begins = base + self.bounds[stream] + self.taken[number]
        ends = base + self.bounds[stream + 1]
        return list(zip(begins.tolist(), ends.tolist(), strict=True))

    def chunks_ahead(
        self, rank: int, number: int, orders: list[SampleOrder]
    ) -> list[tuple[int, ...]]:
        """Return what the process that reads a batch needs, now and next.

        Args:
            rank (int): The rank.
            number (int): The batch.
            orders (list[SampleOrder]): The order of each source.

        Returns:
            list[tuple[int, ...]]: By source: the chunks of the window that
            the batch begins in, then those of the next window of the stream.
        """
        found = []
        for interval, order, (place, end) in zip(
            self.intervals, orders, self._places(rank, number), strict=True
        ):
            chunks: tuple[int, ...] = ()
            if place < end:
                position = interval[place]
                chunks, window_end = order.window_at(position)
                following = place + window_end - position
                if following < end:
                    chunks += order.window_at(interval[following])[0]
            found.append(tuple(dict.fromkeys(chunks)))
        return found

    def remaining(self, consumed: int) -> list[list[tuple[int, int]]]:
        """Return the ranges that are unread after some batches of each rank.

        Args:
            consumed (int): The number of batches.

        Returns:
            list[list[tuple[int, int]]]: Half-open ranges, by source.
        """
        world, streams, _ = self.layout
        left: list[list[tuple[int, int]]] = []
        for source, interval in enumerate(self.intervals):
            ranges = []
            for rank in range(world):
                for stream in range(streams):
                    shares = self.shares[:consumed][stream::streams, source]
                    first, last = self.bounds[stream : stream + 2, source]
                    base = rank * self.bounds[-1, source]
                    ranges += interval.cut(
                        base + first + shares.sum(), base + last
                    )
            ranges += interval.cut(int(self.used[source]), len(interval))
            left.append(ranges)
        return left
