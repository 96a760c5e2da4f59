"""Metrics on frozen features, each a registry module of a config."""

from .base import FeatureMetric
from .classification import KNNAccuracy, LinearProbe
from .collection import build_metrics, compute_metrics
from .retrieval import ImageTextRetrieval, InstanceRetrieval
from .segmentation import SegmentationProbe
from .text import ZeroShotAccuracy

__all__ = [
    'FeatureMetric',
    'ImageTextRetrieval',
    'InstanceRetrieval',
    'KNNAccuracy',
    'LinearProbe',
    'SegmentationProbe',
    'ZeroShotAccuracy',
    'build_metrics',
    'compute_metrics',
]
