"""Optimizer wrappers and their constructors."""

from .layer_decay import LayerDecayOptimWrapperConstructor
from .mixed_precision import MixedPrecisionOptimWrapper
from .sharded import ShardedOptimWrapper

__all__ = [
    'LayerDecayOptimWrapperConstructor',
    'MixedPrecisionOptimWrapper',
    'ShardedOptimWrapper',
]
