"""DCNv3 by Triton kernels, the input's gradient by atomic additions alone.

Otherwise as :mod:`.triton_backend`. It is there to be measured beside that:
no card has said yet which one is faster where.
"""

from __future__ import annotations

from torch import Tensor

from .geometry import Geometry
from .triton_backend import run_kernels, unavailable_reason

__all__ = ['run', 'unavailable_reason']


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 with the Triton kernels; see :func:`.dcnv3`."""
    return run_kernels(input, offset, mask, geometry, atomic=True)
