"""Detectors that MMDetection lacks.

They need MMDetection, so ``m3i_mm.models`` does not import them: a config
names them by their full path, ``type='m3i_mm.models.detectors.X'``, which
imports this package.
"""

from .composite_dino import CompositeDINO
from .published_dino import PublishedDINO, PublishedDINOHead

__all__ = ['CompositeDINO', 'PublishedDINO', 'PublishedDINOHead']
