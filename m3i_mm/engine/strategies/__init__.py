"""How a model is spread over devices, for MMEngine's ``FlexibleRunner``."""

from .sharded import ShardedStrategy, find_units
from .zero import ZeroOptimWrapper, ZeroStrategy

__all__ = [
    'ShardedStrategy',
    'ZeroOptimWrapper',
    'ZeroStrategy',
    'find_units',
]
