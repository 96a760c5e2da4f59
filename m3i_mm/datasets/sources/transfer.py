"""Reading remote shards: with time-outs, new tries and a total budget."""

from __future__ import annotations

import random
import threading
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from .downloads import Download, make_download

__all__ = ['DiskError', 'Limits', 'fetch', 'within']

T = TypeVar('T')

BLOCK = 2**20
# answers that a second try can change; other refusals stand
PASSING = frozenset({403, 408, 416, 425, 429})


@dataclass(frozen=True)
class Limits:
    """How long, and how often, a remote file is tried.

    Attributes:
        retries (int): New tries after an error that may pass.
        retry_wait (float): Seconds before the first new try, doubled for
            every further one, and changed by up to a half at random, so that
            many workers do not come back at once.
        connect_timeout (float): Seconds until the server has answered.
        read_timeout (float): Seconds without any data.
        total_timeout (float): Seconds for one file, with all tries.
        max_bytes (int): A file that is larger is an error.
    """

    retries: int = 3
    retry_wait: float = 1.0
    connect_timeout: float = 30.0
    read_timeout: float = 30.0
    total_timeout: float = 600.0
    max_bytes: int = 2**36


def fetch(url: str, file: BinaryIO, limits: Limits) -> Exception | None:
    """Copy a remote file.

    A new try goes on at the byte where the last one ended if the server can
    do that, and says that the file is the same.

    Args:
        url (str): ``http(s)://``, ``pipe:``, or what fsspec knows.
        file (BinaryIO): An empty file to write to, and to read from.
        limits (Limits): When to give up.

    Returns:
        Exception | None: Why the file holds only the beginning, or nothing.
    """
    clock = time.monotonic
    deadline = clock() + limits.total_timeout
    download = make_download(url, limits.connect_timeout, limits.read_timeout)
    error: Exception | None = None
    for attempt in range(limits.retries + 1):
        if attempt:
            # of its own, so that the numbers of training stay what they are
            jitter = random.SystemRandom().uniform(0.5, 1.5)
            wait = limits.retry_wait * 2 ** (attempt - 1) * jitter
            if clock() + wait >= deadline:
                break
            time.sleep(wait)
        error = _Copy(download, file, limits, deadline).run_watched()
        if error is None or _is_lasting(error):
            break
    file.flush()
    return error


def within(seconds: float, function: Callable[[], T]) -> T:
    """Call a function that has no time-out of its own.

    Args:
        seconds (float): How long to wait for it.
        function (Callable): What to call, in a thread.

    Returns:
        Any: What it returns.

    Raises:
        TimeoutError: If it is not done by then; it goes on unheard.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def call() -> None:
        try:
            results.append(function())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f'no answer for {seconds:g} s')
    return results[0]


class TooLargeError(Exception):
    """A file larger than any that is wanted."""


class DiskError(Exception):
    """The own disk cannot take what was read: no fault of the data."""


def _is_lasting(error: Exception) -> bool:
    """Whether trying again cannot help."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code < 500 and error.code not in PASSING
    return isinstance(error, FileNotFoundError | TooLargeError | DiskError)


class _Copy(threading.Thread):
    """One try: copies in a thread that can be abandoned.

    Not every protocol has time-outs of its own, so a watch from outside is
    the one that all of them have.
    """

    def __init__(
        self,
        download: Download,
        file: BinaryIO,
        limits: Limits,
        deadline: float,
    ) -> None:
        super().__init__(daemon=True, name='m3i_mm transfer')
        self.download = download
        self.file = file
        self.limits = limits
        self.deadline = deadline
        self.error: Exception | None = None
        self._lock = threading.Lock()
        self._abandoned = False
        self._answered = False
        self._touched = time.monotonic()

    def run_watched(self) -> Exception | None:
        """Copy; return why it ended early."""
        self.start()
        # an answer moves the limit, so it is looked at more than once
        pause = min(self.limits.connect_timeout, self.limits.read_timeout) / 4
        while self.is_alive():
            limit, reason = self._limit()
            wait = limit - time.monotonic()
            if wait > 0:
                self.join(min(wait, pause))
                continue
            with self._lock:
                self._abandoned = True
            self.download.abandon()
            return TimeoutError(reason)
        return self.error

    def _limit(self) -> tuple[float, str]:
        """Return when the next sign of life is due, and what is missing."""
        if not self._answered and not self.download.is_chained:
            wait, what = self.limits.connect_timeout, 'no answer'
        elif self._answered:
            wait, what = self.limits.read_timeout, 'no data'
        else:
            wait, what = self.limits.total_timeout, 'no answer'
        if self._touched + wait < self.deadline:
            return self._touched + wait, f'{what} for {wait:g} s'
        return self.deadline, f'not done in {self.limits.total_timeout:g} s'

    def run(self) -> None:
        """Copy from where the file ends, or all if that cannot be."""
        try:
            with self.download.open(self.file.seek(0, 2)) as (stream, begin):
                if not self._begin(begin):
                    return
                read = getattr(stream, 'read1', stream.read)
                while block := read(BLOCK):
                    if not self._write(block):
                        return
                self.download.check_complete(stream)
        except Exception as error:  # each protocol has errors of its own
            self.error = error

    def _begin(self, position: int) -> bool:
        with self._lock:
            if not self._abandoned:
                self.file.seek(position)
                self.file.truncate()
                self._answered = True
                self._touched = time.monotonic()
            return not self._abandoned

    def _write(self, block: bytes) -> bool:
        """Write a block unless the try was given up."""
        with self._lock:
            if self._abandoned:
                return False
            self._touched = time.monotonic()
            try:
                self.file.write(block)
            except OSError as error:
                raise DiskError(str(error)) from error
            if self.file.tell() > self.limits.max_bytes:
                raise TooLargeError(f'more than {self.limits.max_bytes} bytes')
            return True
