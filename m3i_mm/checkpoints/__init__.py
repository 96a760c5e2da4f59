"""Files of weights: reading them safely, loading them, publishing them."""

from .loading import load_weights
from .publishing import average_checkpoints, publish
from .reading import CheckpointError, read_checkpoint

__all__ = [
    'CheckpointError',
    'average_checkpoints',
    'load_weights',
    'publish',
    'read_checkpoint',
]
