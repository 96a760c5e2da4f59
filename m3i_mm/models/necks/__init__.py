"""Necks."""

from .internimage_necks import (
    AttentionPoolingNeck,
    ConvPoolingNeck,
    StageFusion,
)

__all__ = ['AttentionPoolingNeck', 'ConvPoolingNeck', 'StageFusion']
