"""Foundation models of other libraries by name: teachers and starting points.

=======================  ====================================================
``base``                 what a model says of images, of whichever library
``timm_source``          ``timm:NAME``
``open_clip_source``     ``open_clip:NAME/TAG``
``hugging_face_source``  ``hf:NAME``
``loading``              one of them by its name, or by a folder
``pixels``, ``layers``   other normalisations; depths for layer-wise rates
``backbone``             one of them as a backbone that goes on learning
=======================  ====================================================

A library is imported when one of its models is asked for.
"""

from .backbone import FoundationBackbone
from .base import FoundationModel, FoundationModelError, Seen
from .loading import load_foundation_model

__all__ = [
    'FoundationBackbone',
    'FoundationModel',
    'FoundationModelError',
    'Seen',
    'load_foundation_model',
]
