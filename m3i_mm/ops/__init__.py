"""Operators: DCNv3, additions with norms, a stand-in for MMCV's extension.

``dcnv3`` is the function; the package it comes from is ``deform_conv_v3``, so
that no module shadows it.
"""

from .deform_conv_v3 import Layout, dcnv3, dcnv3_from_prediction

__all__ = ['Layout', 'dcnv3', 'dcnv3_from_prediction']
