"""Evaluation of frozen features: kNN, linear probe, zero-shot, retrieval."""

from .dataloaders import NamedDataLoaders
from .evaluate import EvaluationResult, build_model, evaluate, raw_pixels
from .extraction import extract_features, pool_features, predict_features
from .loop import FeatureEvalLoop
from .metrics import (
    FeatureMetric,
    ImageTextRetrieval,
    InstanceRetrieval,
    KNNAccuracy,
    LinearProbe,
    SegmentationProbe,
    ZeroShotAccuracy,
)
from .report import evaluate_with_baselines, format_table, write_report
from .tables import FeatureTable, FieldError

__all__ = [
    'EvaluationResult',
    'FeatureEvalLoop',
    'FeatureMetric',
    'FeatureTable',
    'FieldError',
    'ImageTextRetrieval',
    'InstanceRetrieval',
    'KNNAccuracy',
    'LinearProbe',
    'NamedDataLoaders',
    'SegmentationProbe',
    'ZeroShotAccuracy',
    'build_model',
    'evaluate',
    'evaluate_with_baselines',
    'extract_features',
    'format_table',
    'pool_features',
    'predict_features',
    'raw_pixels',
    'write_report',
]
