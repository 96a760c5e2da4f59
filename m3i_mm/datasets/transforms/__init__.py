"""Transforms from the sample of a source to the input of a model."""

from .annotations import ChooseText, Labels, Tokenize
from .color import ColorMatrix, RandomBlur
from .loading import Background, DecodeImage
from .views import CenterView, MultiViewWithGeometry, RandomView

__all__ = [
    'Background',
    'CenterView',
    'ChooseText',
    'ColorMatrix',
    'DecodeImage',
    'Labels',
    'MultiViewWithGeometry',
    'RandomBlur',
    'RandomView',
    'Tokenize',
]
