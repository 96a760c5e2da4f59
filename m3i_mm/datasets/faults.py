"""What is wrong with a sample, as opposed to with the configuration.

A data set of millions of pictures always holds some that cannot be read. A
reader or transform says so with :class:`SampleError`; the data set then takes
another sample in its place, and the training process counts the fault. Every
other exception is a mistake of the user or of the code and ends the run.
"""

from __future__ import annotations

__all__ = ['SampleError']


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
