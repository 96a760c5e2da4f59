"""How a model is spread over devices, for MMEngine's ``FlexibleRunner``."""

from .fully_sharded import FullyShardedStrategy
from .sharded import ShardedStrategy, find_units
from .zero import ZeroOptimWrapper, ZeroStrategy

__all__ = [
    'FullyShardedStrategy',
    'ShardedStrategy',
    'ZeroOptimWrapper',
    'ZeroStrategy',
    'find_units',
]
