"""t_y and f_phi: the targets of M3I, one module per kind."""

from .base import BaseTarget, Target
from .category import CategoryTarget
from .codes import CodeTarget, RandomProjectionTokenizer
from .image import DenseFeatures, GlobalFeatures, MatchedFeatures, Pixels
from .text import TextTarget

__all__ = [
    'BaseTarget',
    'CategoryTarget',
    'CodeTarget',
    'DenseFeatures',
    'GlobalFeatures',
    'MatchedFeatures',
    'Pixels',
    'RandomProjectionTokenizer',
    'Target',
    'TextTarget',
]
