"""Evaluation of frozen features as pure functions of tensors."""

from .knn import knn_scores
from .logistic_regression import (
    center_and_normalize,
    fit_logistic_regression,
    standardize,
)
from .retrieval import best_ranks, chance_recall, recall_at
from .zero_shot import class_embeddings, fill_templates

__all__ = [
    'best_ranks',
    'center_and_normalize',
    'chance_recall',
    'class_embeddings',
    'fill_templates',
    'fit_logistic_regression',
    'knn_scores',
    'recall_at',
    'standardize',
]
