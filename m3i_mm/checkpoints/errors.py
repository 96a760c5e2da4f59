"""What can be wrong with a checkpoint."""

from __future__ import annotations

__all__ = ['CheckpointError', 'MissingCheckpointError']


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read or does not fit the model."""


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """A checkpoint that is not there."""
