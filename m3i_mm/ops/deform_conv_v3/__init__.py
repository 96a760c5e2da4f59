"""Deformable convolution v3, the operator of InternImage, on any device."""

from .backends import available_backends
from .function import dcnv3, dcnv3_from_prediction
from .prediction import Layout

__all__ = ['Layout', 'available_backends', 'dcnv3', 'dcnv3_from_prediction']
