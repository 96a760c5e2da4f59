"""Models by name, features and predictions of image files."""

from .batch import predict_files
from .feature_extractor import FeatureExtractor
from .hub import HubError, M3IModel
from .model_zoo import get_model, list_models
from .predictors import build_predictor
from .retrieval import ImageRetriever, TextRetriever
from .search import PictureSearch
from .zero_shot import ZeroShotClassifier

__all__ = [
    'FeatureExtractor',
    'HubError',
    'ImageRetriever',
    'PictureSearch',
    'M3IModel',
    'TextRetriever',
    'ZeroShotClassifier',
    'build_predictor',
    'get_model',
    'list_models',
    'predict_files',
]
