"""Deformable convolution v3, the operator of InternImage, on any device."""

from .backends import available_backends
from .function import dcnv3

__all__ = ['available_backends', 'dcnv3']
