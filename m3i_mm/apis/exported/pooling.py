"""Adaptive average pooling for maps of any size, as products of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ['AdaptiveAverage', 'replace_adaptive_pooling']


class AdaptiveAverage(nn.Module):
    """``nn.AdaptiveAvgPool2d``, which ONNX has for known sizes only.

    Args:
        size (tuple[int, int]): Height and width of the output.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps ``(B, C, H, W)``."""
        rows = _shares(maps, maps.shape[2], self.size[0])
        columns = _shares(maps, maps.shape[3], self.size[1])
        return rows @ maps @ columns.T


def _shares(maps: Tensor, length: int, bins: int) -> Tensor:
    """Return what each bin takes of each place, ``(bins, length)``."""
    numbers = torch.arange(bins, device=maps.device)
    begin = (numbers * length).div(bins, rounding_mode='floor')
    end = ((numbers + 1) * length + bins - 1).div(bins, rounding_mode='floor')
    places = torch.arange(length, device=maps.device)
    inside = (places >= begin[:, None]) & (places < end[:, None])
    return inside.to(maps.dtype) / (end - begin)[:, None].to(maps.dtype)


@contextmanager
def replace_adaptive_pooling(model: nn.Module) -> Iterator[None]:
    """Let a model pool by :class:`AdaptiveAverage` for a while.

    Args:
        model (nn.Module): Changed in place, and changed back.
    """
    replaced = []
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d):
                replaced.append((parent, name, child))
    try:
        for parent, name, child in replaced:
            size: Any = child.output_size
            pair = size if isinstance(size, tuple) else (size, size)
            # one cell is a mean; None is the length of the map
            if pair != (1, 1) and None not in pair:
                setattr(parent, name, AdaptiveAverage(pair))
        yield
    finally:
        for parent, name, child in replaced:
            setattr(parent, name, child)
