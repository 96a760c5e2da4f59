"""The embedded emoji data set: sources, split, rendering, shards."""

from .convert import convert_packages

__all__ = ['convert_packages']
