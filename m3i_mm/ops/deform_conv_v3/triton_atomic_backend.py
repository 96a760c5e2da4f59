"""DCNv3 by Triton kernels, the input's gradient by atomic additions alone.

Otherwise as :mod:`.triton_backend`. It is there to be measured beside that:
no card has said yet which one is faster where.
"""

from __future__ import annotations

from torch import Tensor

from .geometry import Geometry
from .prediction import Layout
from .triton_backend import run_kernels, unavailable_reason

__all__ = ['run', 'run_prediction', 'unavailable_reason']


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 with the Triton kernels; see :func:`.dcnv3`."""
    return run_kernels(input, offset, mask, geometry, Layout(), atomic=True)


def run_prediction(
    input: Tensor, prediction: Tensor, layout: Layout, geometry: Geometry
) -> Tensor:
    """Compute it from a prediction; see :func:`.dcnv3_from_prediction`."""
    return run_kernels(input, prediction, None, geometry, layout, atomic=True)
