"""The precision that the stand-in ops compute in."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ['at_least_float32']


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return the tensor in float32, or as it is if it is float64.

    Half-precision inputs are computed in float32 and rounded once, when the
    result is copied to the caller's output: not all of torchvision's kernels
    take half precision, and coordinates lose whole pixels in it.
    """
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
