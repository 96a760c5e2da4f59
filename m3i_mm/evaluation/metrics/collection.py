"""Several metrics together: built from configs, computed into one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from m3i_mm.registry import METRICS

from ..tables import FeatureTable
from .base import FeatureMetric

__all__ = ['build_metrics', 'compute_metrics']


def build_metrics(
    configs: dict[str, Any] | Sequence[dict[str, Any]], sets: Sequence[str]
) -> list[FeatureMetric]:
    """Build metrics and check that the sets they use exist.

    Args:
        configs (dict | Sequence[dict]): One metric or several.
        sets (Sequence[str]): Names of the sets.

    Returns:
        list[FeatureMetric]: The metrics.

    Raises:
        TypeError: If one is not a metric on features.
        ValueError: If a metric uses a set that is not there.
    """
    if isinstance(configs, Mapping):
        configs = [configs]
    metrics = [METRICS.build(config) for config in configs]
    for metric in metrics:
        if not isinstance(metric, FeatureMetric):
            raise TypeError(
                f'{type(metric).__name__} is no metric on frozen features; '
                'FeatureEvalLoop takes those of m3i_mm.evaluation.metrics.'
            )
        unknown = sorted(set(metric.set_names) - set(sets))
        if unknown:
            raise ValueError(
                f'{type(metric).__name__} uses the set {unknown[0]!r}, but '
                f'the dataloader has only: {", ".join(sets)}.'
            )
    return metrics


def compute_metrics(
    metrics: Sequence[FeatureMetric],
    tables: Mapping[str, FeatureTable],
    model: nn.Module,
) -> dict[str, float]:
    """Compute several metrics.

    Args:
        metrics (Sequence[FeatureMetric]): The metrics.
        tables (Mapping[str, FeatureTable]): Tables by set name.
        model (nn.Module): The model.

    Returns:
        dict[str, float]: Percentages by ``prefix/name``.

    Raises:
        ValueError: If two metrics have a result of the same name.
    """
    values: dict[str, float] = {}
    for metric in metrics:
        new = metric.evaluate(tables, model)
        twice = sorted(values.keys() & new.keys())
        if twice:
            raise ValueError(
                f'Two metrics report {twice[0]!r}: give one of them another '
                'prefix.'
            )
        values.update(new)
    return values
