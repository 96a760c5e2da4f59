"""Models by name, features and zero-shot predictions of image files."""

from .feature_extractor import FeatureExtractor
from .model_zoo import get_model, list_models
from .zero_shot import ZeroShotClassifier

__all__ = [
    'FeatureExtractor',
    'ZeroShotClassifier',
    'get_model',
    'list_models',
]
