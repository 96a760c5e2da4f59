"""LVIS evaluation on NumPy 1.24 and later.

``lvis`` 0.5.3, the last release of its authors, names ``numpy.float``, which
NumPy removed. The module needs MMDetection, so a config names its metric by
the full path, ``type='m3i_mm.evaluation.detection.LVISMetric'``.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any
from unittest import mock

import lvis.eval
import numpy as np
from mmdet.evaluation import LVISMetric as _LVISMetric

from m3i_mm.registry import METRICS

__all__ = ['LVISMetric']


def _numpy_with_float() -> ModuleType:
    """A view of NumPy that still has the alias; NumPy stays as it is."""
    view = ModuleType('numpy')
    view.__dict__.update(np.__dict__, float=float)
    return view


@METRICS.register_module()
class LVISMetric(_LVISMetric):
    """MMDetection's metric, which runs with any NumPy."""

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Compute average precision.

        Args:
            results (list): Predictions and annotations of all images.

        Returns:
            dict[str, float]: ``bbox_AP``, ``segm_AP``, and those of rare,
            common and frequent classes (``APr``, ``APc``, ``APf``) ...
        """
        with mock.patch.object(lvis.eval, 'np', _numpy_with_float()):
            return super().compute_metrics(results)
