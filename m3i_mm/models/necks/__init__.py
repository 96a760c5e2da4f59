"""Necks."""

from m3i_mm.moved import moved_names

from .conv_projector import ConvProjector
from .simple_feature_pyramid import SimpleFeaturePyramid

__all__ = ['ConvProjector', 'SimpleFeaturePyramid']

__getattr__ = moved_names(
    __name__,
    dict.fromkeys(
        ['AttentionPoolingNeck', 'ConvPoolingNeck', 'StageFusion'],
        'm3i_mm.models.internimage',
    ),
)
