"""Random patch masks: which patches an input hides."""

from __future__ import annotations

import math

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor

from m3i_mm.registry import MODELS

__all__ = ['BlockMask', 'UniformMask']


def _draw_ratio(ratio: float | tuple[float, float]) -> float:
    """Draw one ratio for the batch from a range, or return the fixed one."""
    if isinstance(ratio, (tuple, list)):
        low, high = ratio
        return low + (high - low) * torch.rand(()).item()
    return ratio


def _check_ratio(ratio: float | tuple[float, float]) -> None:
    values = ratio if isinstance(ratio, (tuple, list)) else (ratio,)
    if not all(0 <= value <= 1 for value in values):
        raise ValueError(f'ratio must be in [0, 1], got {ratio}')


@MODELS.register_module()
class UniformMask(BaseModule):
    """Hides a fixed share of the patches, drawn uniformly for every image.

    Args:
        ratio (float | tuple[float, float]): Share of true cells. A range
            draws one ratio for each batch, so that all images of a batch
            keep equally many patches. Defaults to 0.5.
    """

    def __init__(self, ratio: float | tuple[float, float] = 0.5) -> None:
        super().__init__()
        _check_ratio(ratio)
        self.ratio = ratio

    def forward(
        self, batch: int, grid: tuple[int, int], device: torch.device
    ) -> Tensor:
        """Draw masks.

        Args:
            batch (int): Number of masks.
            grid (tuple[int, int]): Rows and columns of patches.
            device (torch.device): Where to draw.

        Returns:
            Tensor: Boolean masks of shape ``(batch, rows, columns)`` with
            ``round(ratio * rows * columns)`` true cells each.
        """
        cells = grid[0] * grid[1]
        count = round(_draw_ratio(self.ratio) * cells)
        ranks = torch.rand(batch, cells, device=device).argsort(1).argsort(1)
        return (ranks < count).view(batch, *grid)  # (B, h*w) -> (B, h, w)


@MODELS.register_module()
class BlockMask(BaseModule):
    """Hides rectangles until an exact share of the patches is covered.

    The block-wise masking of BEiT (Bao et al., 2022, Algorithm 1), topped up
    or trimmed to the exact count as in SiameseIM. Every cell of the grid can
    be hidden, the last row and column too.

    Args:
        ratio (float | tuple[float, float]): Share of true cells.
            Defaults to 0.6.
        min_block (int): Least area of a rectangle in patches. Defaults to 16.
        min_aspect (float): Least aspect ratio; the greatest is its inverse.
            Defaults to 0.3.
    """

    def __init__(
        self,
        ratio: float | tuple[float, float] = 0.6,
        min_block: int = 16,
        min_aspect: float = 0.3,
    ) -> None:
        super().__init__()
        _check_ratio(ratio)
        self.ratio = ratio
        self.min_block = min_block
        self.min_aspect = min_aspect

    def forward(
        self, batch: int, grid: tuple[int, int], device: torch.device
    ) -> Tensor:
        """Draw masks, see :meth:`UniformMask.forward`."""
        count = round(_draw_ratio(self.ratio) * grid[0] * grid[1])
        seed = int(torch.randint(2**31, (), device='cpu'))
        random = np.random.default_rng(seed)
        masks = [self._draw(grid, count, random) for _ in range(batch)]
        return torch.from_numpy(np.stack(masks)).to(device)

    def _draw(
        self, grid: tuple[int, int], count: int, random: np.random.Generator
    ) -> np.ndarray:
        mask = np.zeros(grid, dtype=bool)
        for _ in range(10 * count):
            missing = count - mask.sum()
            if missing < 1:
                break
            area = random.uniform(min(self.min_block, missing), missing + 1)
            bound = math.log(self.min_aspect)
            aspect = math.exp(random.uniform(bound, -bound))
            height = min(max(round(math.sqrt(area * aspect)), 1), grid[0])
            width = min(max(round(math.sqrt(area / aspect)), 1), grid[1])
            top = random.integers(grid[0] - height + 1)
            left = random.integers(grid[1] - width + 1)
            block = np.zeros(grid, dtype=bool)
            block[top : top + height, left : left + width] = True
            if (block & ~mask).sum() <= missing:
                mask |= block
        free = np.flatnonzero(~mask.ravel())
        random.shuffle(free)
        mask.ravel()[free[: count - mask.sum()]] = True
        return mask
