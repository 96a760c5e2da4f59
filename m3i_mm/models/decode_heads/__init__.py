"""Decode heads that MMSegmentation lacks.

They need MMSegmentation, so ``m3i_mm.models`` does not import them: a config
names them by their full path, ``type='m3i_mm.models.decode_heads.X'``, which
imports this package.
"""

from .probability_mask2former_head import ProbabilityMask2FormerHead

__all__ = ['ProbabilityMask2FormerHead']
