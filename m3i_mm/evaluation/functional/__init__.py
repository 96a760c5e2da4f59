"""Evaluation of frozen features as pure functions of tensors."""

from .knn import knn_scores
from .logistic_regression import fit_logistic_regression
from .retrieval import best_ranks, chance_recall, nearest, recall_at
from .scaling import center_and_normalize, find_scaling, standardize
from .segmentation import (
    class_shares,
    confusion_matrix,
    intersection_over_union,
)
from .zero_shot import class_embeddings, fill_templates

__all__ = [
    'best_ranks',
    'center_and_normalize',
    'chance_recall',
    'class_embeddings',
    'class_shares',
    'confusion_matrix',
    'fill_templates',
    'find_scaling',
    'fit_logistic_regression',
    'intersection_over_union',
    'knn_scores',
    'nearest',
    'recall_at',
    'standardize',
]
