"""Optimizer wrappers and their constructors."""

from .mixed_precision import MixedPrecisionOptimWrapper

__all__ = ['MixedPrecisionOptimWrapper']
