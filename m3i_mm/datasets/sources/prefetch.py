"""Chunks that are read in the background before they are needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

__all__ = ['Prefetcher']

T = TypeVar('T')


class _Job(Generic[T]):
    def __init__(self) -> None:
        self.done = threading.Event()
        self.started = False
        self.result: T | None = None
        self.error: Exception | None = None


class Prefetcher(Generic[T]):
    """Reads what will be wanted, a few chunks at a time.

    What is taken, and in which order, is up to the caller and does not depend
    on what was ready.

    Args:
        read (Callable): Reads a chunk by number; it has to end by itself.
        connections (int): Chunks that are read at the same time.
    """

    def __init__(self, read: Callable[[int], T], connections: int) -> None:
        self._read = read
        self._connections = connections
        self._jobs: dict[int, _Job[T]] = {}
        self._active = 0
        self._lock = threading.Lock()

    def want(self, numbers: Iterable[int]) -> None:
        """Say what will be taken, in that order; the rest is let go."""
        wanted = list(numbers)
        with self._lock:
            self._jobs = {n: self._jobs.get(n) or _Job() for n in wanted}
            self._fill()

    def take(self, number: int) -> T:
        """Return a chunk, which is read now if it was not wanted before.

        Raises:
            Exception: What reading it raised.
        """
        with self._lock:
            job = self._jobs.pop(number, None) or _Job()
            if not job.started:
                self._start(number, job)
        job.done.wait()
        if job.error is not None:
            raise job.error
        assert job.result is not None
        return job.result

    def _fill(self) -> None:
        for number, job in self._jobs.items():
            if self._active >= self._connections:
                return
            if not job.started:
                self._start(number, job)

    def _start(self, number: int, job: _Job[T]) -> None:
        job.started = True
        self._active += 1
        threading.Thread(
            target=self._run,
            args=(number, job),
            daemon=True,  # a worker that ends does not wait for a server
            name='m3i_mm prefetch',
        ).start()

    def _run(self, number: int, job: _Job[T]) -> None:
        try:
            job.result = self._read(number)
        except Exception as error:  # raised again where it is taken
            job.error = error
        job.done.set()
        with self._lock:
            self._active -= 1
            self._fill()
