"""Residual addition and layer normalisation in one pass over memory."""

from .function import add_norm, layer_norm
from .norms import Norm

__all__ = ['Norm', 'add_norm', 'layer_norm']
