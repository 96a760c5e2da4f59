"""Transforms from the sample of a source to the input of a model."""

from .color import ColorMatrix, RandomBlur
from .labels import LabelName, Labels
from .loading import Background, DecodeImage
from .text import ChooseText, CleanText, Tokenize
from .views import CenterView, MultiViewWithGeometry, RandomView

__all__ = [
    'Background',
    'CenterView',
    'ChooseText',
    'CleanText',
    'ColorMatrix',
    'DecodeImage',
    'LabelName',
    'Labels',
    'MultiViewWithGeometry',
    'RandomBlur',
    'RandomView',
    'Tokenize',
]
