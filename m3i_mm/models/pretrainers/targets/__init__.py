"""t_y and f_phi: the targets of M3I, one module per kind."""

from .base import BaseTarget, Choices, Features, Needs, join
from .category import CategoryTarget
from .codes import CodeTarget, RandomProjectionTokenizer
from .image import (
    DenseFeatures,
    GlobalFeatures,
    MatchedFeatures,
    Pixels,
    ProjectedFeatures,
)
from .standardization import ChannelStatistics
from .text import TextTarget

__all__ = [
    'BaseTarget',
    'CategoryTarget',
    'ChannelStatistics',
    'Choices',
    'CodeTarget',
    'DenseFeatures',
    'Features',
    'GlobalFeatures',
    'MatchedFeatures',
    'Needs',
    'Pixels',
    'ProjectedFeatures',
    'RandomProjectionTokenizer',
    'TextTarget',
    'join',
]
