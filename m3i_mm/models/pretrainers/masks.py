"""Masks of patches, and the patterns that draw them.

How many patches a mask keeps is known from its pattern, not read from the
drawn tensor, so the host never waits for the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from mmengine.model import BaseModule
from torch import Tensor

from m3i_mm.registry import MODELS

__all__ = ['BlockMask', 'Mask', 'MaskError', 'UniformMask']


class MaskError(ValueError):
    """A mask that does not fit the images or the tokens."""


@dataclass
class Mask:
    """The same number of patches of every image.

    Attributes:
        cells (Tensor): Boolean, ``(B, h, w)``.
        count (int): True cells of each image.
    """

    cells: Tensor
    count: int

    @classmethod
    def of(cls, cells: Tensor | Mask) -> Mask:
        """Count the true cells of a drawn mask, which reads it back.

        Raises:
            MaskError: If the images count differently.
        """
        if isinstance(cells, Mask):
            return cells
        counts = cells.flatten(1).sum(1).tolist()
        for row, count in enumerate(counts):
            if count != counts[0]:
                raise MaskError(
                    'A mask must have equally many patches of every image, '
                    f'but image {row} of the batch has {count} and image 0 '
                    f'has {counts[0]}'
                )
        return cls(cells, counts[0])

    def others(self) -> Mask:
        """Return the other patches."""
        return Mask(~self.cells, self.cells[0].numel() - self.count)

    def resize(self, grid: tuple[int, int]) -> Mask:
        """Bring the mask to the finer grid of the tokens.

        Args:
            grid (tuple[int, int]): Wanted rows and columns, multiples of h
                and w.

        Raises:
            MaskError: If a token would straddle two patches.
        """
        rows, columns = self.cells.shape[1:]
        if grid[0] % rows or grid[1] % columns:
            raise MaskError(
                f'The encoder gives {grid[0]}x{grid[1]} tokens, but the input '
                f'is made of {rows}x{columns} patches, so a token would '
                'belong to several patches: set patch_size of the input to a '
                'multiple of the stride of the encoder'
            )
        down, right = grid[0] // rows, grid[1] // columns
        cells = self.cells.repeat_interleave(down, 1)
        cells = cells.repeat_interleave(right, 2)
        return Mask(cells, self.count * down * right)

    def indices(self) -> Tensor:
        """List the true cells in ascending row-major order, ``(B, count)``."""
        false_last = (~self.cells).flatten(1).to(torch.uint8)
        order = torch.argsort(false_last, stable=True, dim=1)
        return order[:, : self.count]


def lowest(scores: Tensor, count: int, grid: tuple[int, int]) -> Mask:
    """Return the cells of the lowest scores, ``(B, h * w) -> (B, h, w)``."""
    ranks = scores.argsort(1).argsort(1)
    return Mask((ranks < count).unflatten(1, grid), count)


class _Pattern(BaseModule):
    """Masks a share of the patches.

    Args:
        ratio (float | tuple[float, float]): Share of true cells. A range
            draws one ratio for each batch, so that all images of a batch
            keep equally many patches; the host then draws it, and a compiled
            step is compiled anew for every count.
    """

    def __init__(self, ratio: float | tuple[float, float]) -> None:
        super().__init__()
        values = ratio if isinstance(ratio, (tuple, list)) else (ratio,)
        if not all(0 <= value <= 1 for value in values):
            raise ValueError(f'ratio must be in [0, 1], got {ratio}')
        self.ratio = ratio

    def draw_count(self, grid: tuple[int, int]) -> int:
        """Return the number of true cells of the next masks."""
        ratio = self.ratio
        if isinstance(ratio, (tuple, list)):
            low, high = ratio
            ratio = low + (high - low) * torch.rand(()).item()
        return round(ratio * grid[0] * grid[1])


@MODELS.register_module()
class UniformMask(_Pattern):
    """Hides a fixed share of the patches, drawn uniformly for every image.

    Args:
        ratio (float | tuple[float, float]): Share of true cells; a range
            draws one ratio for each batch. Defaults to 0.5.
    """

    def __init__(self, ratio: float | tuple[float, float] = 0.5) -> None:
        super().__init__(ratio)

    def forward(
        self, batch: int, grid: tuple[int, int], device: torch.device
    ) -> Mask:
        """Draw masks.

        Args:
            batch (int): Number of masks.
            grid (tuple[int, int]): Rows and columns of patches.
            device (torch.device): Where to draw.

        Returns:
            Mask: ``(batch, rows, columns)``, with ``round(ratio * rows *
            columns)`` true cells each.
        """
        scores = torch.rand(batch, grid[0] * grid[1], device=device)
        return lowest(scores, self.draw_count(grid), grid)


@MODELS.register_module()
class BlockMask(_Pattern):
    """Hides rectangles until an exact share of the patches is covered.

    The block-wise masking of BEiT (Bao et al., 2022, Algorithm 1), topped up
    to the exact count as in SiameseIM. Every cell of the grid can be hidden,
    the last row and column too. All images draw at once, where the images
    are.

    Args:
        ratio (float | tuple[float, float]): Share of true cells.
            Defaults to 0.6.
        min_block (int): Least area of a rectangle in patches. Defaults to 16.
        min_aspect (float): Least aspect ratio; the greatest is its inverse.
            Defaults to 0.3.
        attempts (int): Rectangles drawn for each image; one that would hide
            too much is left out. Defaults to 16.
    """

    def __init__(
        self,
        ratio: float | tuple[float, float] = 0.6,
        min_block: int = 16,
        min_aspect: float = 0.3,
        attempts: int = 16,
    ) -> None:
        super().__init__(ratio)
        self.min_block = min_block
        self.min_aspect = min_aspect
        self.attempts = attempts

    def forward(
        self, batch: int, grid: tuple[int, int], device: torch.device
    ) -> Mask:
        """Draw masks, see :meth:`UniformMask.forward`."""
        count = self.draw_count(grid)
        covered = torch.zeros(batch, *grid, dtype=torch.bool, device=device)
        for _ in range(self.attempts):
            missing = count - covered.sum((1, 2))
            block = self._draw_blocks(missing, grid)
            fits = (block & ~covered).sum((1, 2)) <= missing
            covered = covered | (block & fits[:, None, None])
        # the covered cells, then others at random
        scores = torch.rand(batch, grid[0] * grid[1], device=device)
        return lowest(scores + ~covered.flatten(1), count, grid)

    def _draw_blocks(self, missing: Tensor, grid: tuple[int, int]) -> Tensor:
        """Draw a rectangle for each image, ``(B, ) -> (B, h, w)``."""
        area, aspect, down, right = torch.rand(
            4, len(missing), device=missing.device
        )
        least = missing.clamp(max=self.min_block)
        area = least + (missing + 1 - least) * area
        aspect = (math.log(self.min_aspect) * (1 - 2 * aspect)).exp()
        rows = _within(down, (area * aspect).sqrt(), grid[0])
        columns = _within(right, (area / aspect).sqrt(), grid[1])
        return rows[:, :, None] & columns[:, None, :]


def _within(place: Tensor, length: Tensor, size: int) -> Tensor:
    """Lay an interval into ``range(size)``.

    Args:
        place (Tensor): Uniform numbers in [0, 1), ``(B, )``.
        length (Tensor): Wanted lengths, ``(B, )``.
        size (int): Number of cells.

    Returns:
        Tensor: Boolean, ``(B, size)``, true inside.
    """
    length = length.round().clamp(1, size)
    start = (place * (size - length + 1)).floor()
    cells = torch.arange(size, device=place.device)
    inside = cells >= start[:, None]
    return inside & (cells < (start + length)[:, None])
