"""Necks."""

from .conv_projector import ConvProjector
from .internimage_necks import (
    AttentionPoolingNeck,
    ConvPoolingNeck,
    StageFusion,
)
from .simple_feature_pyramid import SimpleFeaturePyramid

__all__ = [
    'AttentionPoolingNeck',
    'ConvPoolingNeck',
    'ConvProjector',
    'SimpleFeaturePyramid',
    'StageFusion',
]
