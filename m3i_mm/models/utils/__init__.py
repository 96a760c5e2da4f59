"""Building blocks that several models share."""

from .attention_pooling import AttentionPooling, masked_mean
from .norm import BatchNorm

__all__ = ['AttentionPooling', 'BatchNorm', 'masked_mean']
