"""Detectors and segmentors as functions of images alone.

===============  ============================================================
``wrapping``     which models can be exported as a whole
``segmentor``    logits of each pixel
``detector``     boxes, scores, labels and masks, in fixed numbers
``suppression``  non-maximum suppression without shapes that depend on values
``pooling``      adaptive pooling for images of any size
===============  ============================================================
"""

from .wrapping import wrap_for_export

__all__ = ['wrap_for_export']
