"""Backbones."""

from .composite_internimage import CompositeInternImage
from .dcnv3 import DCNv3
from .internimage import InternImage
from .pixel_features import PixelFeatures

__all__ = ['CompositeInternImage', 'DCNv3', 'InternImage', 'PixelFeatures']
