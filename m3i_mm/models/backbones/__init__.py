"""Backbones other than InternImage."""

from m3i_mm.moved import moved_names

from .pixel_features import PixelFeatures, PixelPatches

__all__ = ['PixelFeatures', 'PixelPatches']

__getattr__ = moved_names(
    __name__,
    dict.fromkeys(
        ['CompositeInternImage', 'DCNv3', 'InternImage'],
        'm3i_mm.models.internimage',
    ),
)
