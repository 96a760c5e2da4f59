"""Segmentation by a linear probe on frozen patch features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from m3i_mm.registry import METRICS

from ..functional import (
    class_shares,
    confusion_matrix,
    find_scaling,
    fit_logistic_regression,
    intersection_over_union,
)
from ..tables import FeatureTable
from .base import FeatureMetric, SetNames

__all__ = ['SegmentationProbe']


@METRICS.register_module()
class SegmentationProbe(FeatureMetric):
    """Mean IoU of a linear classifier of frozen patch features.

    The classifier is a logistic regression; a patch counts for each class by
    the share of its pixels, which is the same as one row for every pixel. Its
    scores are brought to the size of the label map by bilinear interpolation
    (the linear protocol of DINOv2, arXiv 2304.07193, with a convex fit).
    Reported as ``segmentation/mIoU``.

    The samples of the sets carry a label map ``gt_seg_map``, of the size of
    the picture as it was read or as it is encoded. The maps of all pictures
    of a set are held in memory.

    Args:
        classes (Sequence[str]): Names of the classes 0, 1 ...; labels beyond
            them, such as 255, are ignored.
        bank (str | Sequence[str]): The labelled training set.
        query (str | Sequence[str]): The set to segment.
        C (float): Inverse strength of the L2 regularisation.
        scaling (str, optional): Scaling of the patch features of both sets
            by the statistics of the bank, see :class:`LinearProbe`.
        max_iter (int): Most L-BFGS iterations.
        prefix (str, optional): See :class:`FeatureMetric`.
    """

    default_prefix = 'segmentation'

    def __init__(
        self,
        classes: Sequence[str],
        bank: SetNames = 'bank',
        query: SetNames = 'query',
        C: float = 1.0,
        scaling: str | None = 'standardize',
        max_iter: int = 100,
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix)
        self.classes = list(classes)
        self.bank = bank
        self.query = query
        self.C = C
        self.scale = find_scaling(scaling)
        self.max_iter = max_iter

    @property
    def sets(self) -> tuple[SetNames, ...]:
        """The bank and the queries."""
        return self.bank, self.query

    def compute(
        self, tables: Mapping[str, FeatureTable], model: nn.Module
    ) -> dict[str, float]:
        """Fit on the bank, segment the queries."""
        bank = self.join(tables, self.bank)
        query = self.join(tables, self.query)
        maps, queries = _maps(bank), _maps(query)
        shares = self._shares(bank, maps)
        train, test = self.scale(_patches(maps), _patches(queries))
        known = shares.sum(1) > 0
        weight, bias = fit_logistic_regression(
            train[known].to(self.device),
            shares[known].to(self.device),
            len(self.classes),
            self.C,
            self.max_iter,
        )
        sizes = [features[0].numel() for features in queries]
        confusion = torch.zeros(weight.shape[0], weight.shape[0]).long()
        for features, patches, labels in zip(
            queries, test.split(sizes), query['gt_seg_map'], strict=True
        ):
            scores = F.linear(patches.to(self.device), weight, bias)
            scores = scores.T.unflatten(1, _grid(features))  # (K, h, w)
            confusion += confusion_matrix(scores, labels).cpu()
        return dict(mIoU=self._mean_iou(confusion, query.name))

    def compute_chance(
        self, tables: Mapping[str, FeatureTable]
    ) -> dict[str, float]:
        """Give every pixel the most frequent class of the bank."""
        count = len(self.classes)
        bank = self.join(tables, self.bank)
        query = self.join(tables, self.query)
        best = self._pixels(bank).argmax()
        confusion = torch.zeros(count, count).long()
        confusion[:, best] = self._pixels(query)
        iou = intersection_over_union(confusion)
        return dict(mIoU=100 * iou.nanmean().item())

    def _pixels(self, table: FeatureTable) -> Tensor:
        """Count the pixels of each class, (K,)."""
        counts = torch.zeros(len(self.classes)).long()
        for labels in table['gt_seg_map']:
            found = labels.flatten()
            found = found[(found >= 0) & (found < len(counts))]
            counts += found.bincount(minlength=len(counts))
        return counts

    def _shares(self, table: FeatureTable, maps: Sequence[Tensor]) -> Tensor:
        shares = [
            class_shares(labels, _grid(features), len(self.classes))
            for features, labels in zip(maps, table['gt_seg_map'], strict=True)
        ]
        return torch.cat(shares)

    def _mean_iou(self, confusion: Tensor, name: str) -> float:
        iou = intersection_over_union(confusion)
        pairs = zip(self.classes, iou.isnan().tolist(), strict=True)
        absent = [label for label, missing in pairs if missing]
        if len(absent) == len(self.classes):
            raise ValueError(
                f'No pixel of the set {name!r} has one of the '
                f'{len(absent)} classes of SegmentationProbe.'
            )
        if absent:
            print_log(
                f'{self.prefix}/mIoU leaves out classes that no label map of '
                f'the set {name!r} shows: {", ".join(absent)}',
                logger='current',
            )
        return 100 * iou.nanmean().item()


def _maps(table: FeatureTable) -> Sequence[Tensor]:
    """Return the feature maps of a set, (C, h, w) each."""
    return cast(Any, table['feature_map'])


def _grid(features: Tensor) -> tuple[int, int]:
    """Return the rows and columns of a feature map, (C, h, w)."""
    return features.shape[1], features.shape[2]


def _patches(maps: Sequence[Tensor]) -> Tensor:
    """Join the patches of all maps, (patches, C)."""
    return torch.cat([features.flatten(1).T for features in maps]).float()
