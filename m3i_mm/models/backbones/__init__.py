"""Backbones."""

from .composite_internimage import CompositeInternImage
from .internimage import InternImage
from .pixel_features import PixelFeatures

__all__ = ['CompositeInternImage', 'InternImage', 'PixelFeatures']
