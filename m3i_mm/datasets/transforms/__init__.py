"""Transforms from the sample of a source to the input of a model."""

from .annotations import ChooseText, Labels, Tokenize
from .loading import Background, DecodeImage
from .views import CenterView, MultiViewWithGeometry, RandomView

__all__ = [
    'Background',
    'CenterView',
    'ChooseText',
    'DecodeImage',
    'Labels',
    'MultiViewWithGeometry',
    'RandomView',
    'Tokenize',
]
