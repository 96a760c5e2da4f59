"""Sources of samples: where the pictures, labels and texts come from."""

from .base import Source
from .shards import ShardSource
from .subset import SubsetSource

__all__ = ['ShardSource', 'Source', 'SubsetSource']
