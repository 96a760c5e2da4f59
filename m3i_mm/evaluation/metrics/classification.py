"""Classification of frozen features: nearest neighbours and linear probe."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from m3i_mm.registry import METRICS

from ..functional import find_scaling, fit_logistic_regression, knn_scores
from ..tables import FeatureTable, common_labels
from .base import FeatureMetric, SetNames

__all__ = ['KNNAccuracy', 'LinearProbe', 'topk_accuracy']


def topk_accuracy(
    scores: Tensor, labels: Tensor, topk: Sequence[int]
) -> dict[str, float]:
    """Share of the samples whose class is among the k best scores.

    Args:
        scores (Tensor): Class scores, (N, K).
        labels (Tensor): Classes, (N,).
        topk (Sequence[int]): Values of k; one above K counts as K.

    Returns:
        dict[str, float]: Percentages by ``'top1'``, ``'top5'`` ...
    """
    best = min(max(topk), scores.shape[1])
    # a stable sort gives equal scores to the smaller class number
    ranked = scores.sort(stable=True, dim=1, descending=True).indices[:, :best]
    hits = (ranked == labels[:, None]).double()  # (N, best)
    return {f'top{k}': 100 * hits[:, :k].sum(1).mean().item() for k in topk}


class _BankClassifier(FeatureMetric):
    """Classifies the queries by the labelled features of a bank.

    Args:
        field (str): The label, e.g. ``'gt_label'`` or ``'group'``.
        bank (str | Sequence[str]): The labelled training set.
        query (str | Sequence[str]): The set to classify.
        scaling (str, optional): Scaling of both sets by the statistics of the
            bank: ``'standardize'``, ``'center_and_normalize'`` or None.
        topk (Sequence[int]): Accuracies to report.
        feature (str): The column of vectors.
        prefix (str, optional): See :class:`FeatureMetric`.
    """

    def __init__(
        self,
        field: str = 'gt_label',
        bank: SetNames = 'bank',
        query: SetNames = 'query',
        scaling: str | None = None,
        topk: Sequence[int] = (1,),
        feature: str = 'feature',
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix)
        self.field = field
        self.bank = bank
        self.query = query
        self.scale = find_scaling(scaling)
        self.topk = tuple(topk)
        self.feature = feature

    @property
    def sets(self) -> tuple[SetNames, ...]:
        """The bank and the queries."""
        return self.bank, self.query

    @abstractmethod
    def scores(
        self, bank: Tensor, labels: Tensor, queries: Tensor, num_classes: int
    ) -> Tensor:
        """Score every class of the bank for every query.

        Args:
            bank (Tensor): Training features, (N, C).
            labels (Tensor): Their classes, (N,).
            queries (Tensor): Features to classify, (Q, C).
            num_classes (int): Number of classes K.

        Returns:
            Tensor: Scores, (Q, K).
        """

    def compute(
        self, tables: Mapping[str, FeatureTable], model: nn.Module
    ) -> dict[str, float]:
        """Compute the accuracies; see :meth:`FeatureMetric.compute`."""
        bank = self.join(tables, self.bank)
        query = self.join(tables, self.query)
        (labels, targets), num_classes = common_labels(
            bank[self.field], query[self.field]
        )
        features, queries = self.scale(
            bank.features(self.feature, self.device),
            query.features(self.feature, self.device),
        )
        scores = self.scores(
            features, labels.to(self.device), queries, num_classes
        )
        accuracy = topk_accuracy(scores.cpu(), targets, self.topk)
        return {
            f'{self.field}_{key}': value for key, value in accuracy.items()
        }

    def compute_chance(
        self, tables: Mapping[str, FeatureTable]
    ) -> dict[str, float]:
        """Always answer the most frequent classes of the bank."""
        (labels, targets), num_classes = common_labels(
            self.join(tables, self.bank)[self.field],
            self.join(tables, self.query)[self.field],
        )
        frequency = torch.bincount(labels, minlength=num_classes)
        scores = frequency.expand(len(targets), -1)  # (Q, K)
        accuracy = topk_accuracy(scores, targets, self.topk)
        return {
            f'{self.field}_{key}': value for key, value in accuracy.items()
        }


@METRICS.register_module()
class KNNAccuracy(_BankClassifier):
    """Accuracy of the k nearest neighbours in a bank, cosine similarity.

    Where bank and queries are the same set, no sample is a neighbour of
    itself. Reported as ``knn/{field}_top1``.

    Args:
        field (str): The label, e.g. ``'gt_label'`` or ``'group'``.
        bank (str | Sequence[str]): The labelled training set.
        query (str | Sequence[str]): The set to classify.
        k (int): Number of neighbours.
        temperature (float, optional): Weight of a neighbour, see
            :func:`~m3i_mm.evaluation.functional.knn_scores`; None gives each
            one vote.
        scaling (str, optional): Scaling of both sets by the statistics of the
            bank: ``'standardize'``, ``'center_and_normalize'`` or None.
        topk (Sequence[int]): Accuracies to report.
        feature (str): The column of vectors.
        prefix (str, optional): See :class:`FeatureMetric`.
    """

    default_prefix = 'knn'

    def __init__(
        self,
        field: str = 'gt_label',
        bank: SetNames = 'bank',
        query: SetNames = 'query',
        k: int = 20,
        temperature: float | None = 0.07,
        scaling: str | None = None,
        topk: Sequence[int] = (1,),
        feature: str = 'feature',
        prefix: str | None = None,
    ) -> None:
        super().__init__(field, bank, query, scaling, topk, feature, prefix)
        self.k = k
        self.temperature = temperature

    def scores(
        self, bank: Tensor, labels: Tensor, queries: Tensor, num_classes: int
    ) -> Tensor:
        """Count the votes of the neighbours; (Q, K)."""
        return knn_scores(
            queries,
            bank,
            labels,
            num_classes,
            self.k,
            self.temperature,
            leave_one_out=self.bank == self.query,
        )


@METRICS.register_module()
class LinearProbe(_BankClassifier):
    """Accuracy of a logistic regression on frozen features.

    Both sets are scaled by the statistics of the bank so that a row has
    length 1 on average, and the regularisation is the same for every model: it
    is not tuned on the queries. Reported as ``linear/{field}_top1``.

    Args:
        field (str): The label, e.g. ``'gt_label'`` or ``'group'``.
        bank (str | Sequence[str]): The labelled training set.
        query (str | Sequence[str]): The set to classify.
        C (float): Inverse strength of the L2 regularisation.
        scaling (str, optional): ``'standardize'``; or
            ``'center_and_normalize'``, the protocol of MSN's low-shot
            evaluation; or None.
        max_iter (int): Most L-BFGS iterations.
        topk (Sequence[int]): Accuracies to report.
        feature (str): The column of vectors.
        prefix (str, optional): See :class:`FeatureMetric`.

    Raises:
        ValueError: If the scaling is unknown.
    """

    default_prefix = 'linear'

    def __init__(
        self,
        field: str = 'gt_label',
        bank: SetNames = 'bank',
        query: SetNames = 'query',
        C: float = 1.0,
        scaling: str | None = 'standardize',
        max_iter: int = 500,
        topk: Sequence[int] = (1,),
        feature: str = 'feature',
        prefix: str | None = None,
    ) -> None:
        super().__init__(field, bank, query, scaling, topk, feature, prefix)
        self.C = C
        self.max_iter = max_iter

    def scores(
        self, bank: Tensor, labels: Tensor, queries: Tensor, num_classes: int
    ) -> Tensor:
        """Fit on the bank and return the logits of the queries; (Q, K)."""
        weight, bias = fit_logistic_regression(
            bank, labels, num_classes, self.C, self.max_iter
        )
        return F.linear(queries, weight, bias)
