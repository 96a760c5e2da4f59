"""Building blocks that several models share."""

from .attention_pooling import AttentionPooling, masked_mean

__all__ = ['AttentionPooling', 'masked_mean']
