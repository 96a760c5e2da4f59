"""z_x and its target-side twin: what an image encoder says about an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ['ImageTokens', 'gather_tokens', 'mask_to_indices']


def gather_tokens(values: Tensor, indices: Tensor) -> Tensor:
    """Pick tokens by index.

    Args:
        values (Tensor): Tokens of shape ``(B, L, ...)``.
        indices (Tensor): Token indices of shape ``(B, K)``.

    Returns:
        Tensor: The picked tokens, ``(B, K, ...)``.
    """
    rows = torch.arange(len(values), device=values.device)[:, None]
    return values[rows, indices]


def mask_to_indices(mask: Tensor) -> Tensor:
    """Turn a mask with equally many true cells per row into indices.

    Args:
        mask (Tensor): Boolean mask of shape ``(B, L)``.

    Returns:
        Tensor: Indices of the true cells in ascending order, ``(B, K)``.

    Raises:
        ValueError: If the rows count differently.
    """
    counts = mask.sum(dim=1)
    if (counts != counts[0]).any():
        raise ValueError(
            'A mask must keep equally many patches of every image, got '
            f'{counts.min().item()} to {counts.max().item()}'
        )
    order = torch.argsort((~mask).to(torch.uint8), stable=True, dim=1)
    return order[:, : int(counts[0])]


@dataclass
class ImageTokens:
    """Tokens of a batch of images and where they lie.

    Attributes:
        values (Tensor): Token features of shape ``(B, K, C)``.
        indices (Tensor): Row-major cell of each token in the grid, ``(B, K)``.
        grid (tuple[int, int]): Rows and columns of the grid.
        class_token (Tensor, optional): Class token of shape ``(B, C)``.
        matching (Tensor, optional): Features before a neck that keeps the
            grid, ``(B, K, C')``, which find corresponding tokens of two views
            (DenseCL).
    """

    values: Tensor
    indices: Tensor
    grid: tuple[int, int]
    class_token: Tensor | None = None
    matching: Tensor | None = None

    @classmethod
    def from_map(cls, feature_map: Tensor) -> ImageTokens:
        """Read a feature map ``(B, C, h, w)``, or a vector ``(B, C)``."""
        if feature_map.dim() == 2:
            feature_map = feature_map[..., None, None]
        if feature_map.dim() != 4:
            raise ValueError(
                'M3I needs a backbone that returns feature maps (B, C, H, W), '
                f'got shape {tuple(feature_map.shape)}. Vision Transformers '
                "of MMPretrain give one with out_type='featmap'."
            )
        batch, _, rows, columns = feature_map.shape
        # (B, C, h, w) -> (B, h * w, C)
        values = feature_map.flatten(2).transpose(1, 2)
        indices = torch.arange(rows * columns, device=values.device)
        return cls(values, indices.expand(batch, -1), (rows, columns))

    def select(self, mask: Tensor | None) -> ImageTokens:
        """Keep the tokens of the masked cells.

        Args:
            mask (Tensor, optional): Boolean mask ``(B, h, w)`` of a grid that
                this one divides evenly; None keeps everything.
        """
        if mask is None:
            return self
        mask = upsample_mask(mask, self.grid).flatten(1)
        # tokens may be fewer than cells where an input dropped some
        kept = mask_to_indices(gather_tokens(mask, self.indices))
        return ImageTokens(
            gather_tokens(self.values, kept),
            gather_tokens(self.indices, kept),
            self.grid,
            self.class_token,
            None
            if self.matching is None
            else gather_tokens(self.matching, kept),
        )

    def mean(self) -> Tensor:
        """Average the tokens of each image: ``(B, K, C) -> (B, C)``."""
        return self.values.mean(dim=1)


def upsample_mask(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bring a patch mask to the finer grid of the tokens.

    Args:
        mask (Tensor): Boolean mask of shape ``(B, h, w)``.
        grid (tuple[int, int]): Wanted rows and columns, multiples of h and w.

    Returns:
        Tensor: The mask repeated to ``(B, rows, columns)``.

    Raises:
        ValueError: If a token would straddle two patches.
    """
    rows, columns = mask.shape[1:]
    if grid[0] % rows or grid[1] % columns:
        raise ValueError(
            f'The encoder gives {grid[0]}x{grid[1]} tokens, but the input is '
            f'made of {rows}x{columns} patches, so a token would belong to '
            'several patches: set patch_size of the input to a multiple of '
            'the stride of the encoder'
        )
    mask = mask.repeat_interleave(grid[0] // rows, 1)
    return mask.repeat_interleave(grid[1] // columns, 2)
