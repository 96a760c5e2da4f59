"""z_x and its target-side twin: what an image encoder says about an image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .masks import Mask

__all__ = ['ImageTokens', 'gather_tokens']


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
        pooled (Tensor, optional): What stands for the whole image, ``(B,
            C)``; the mean of the tokens if None.
        feature (Tensor, optional): What is evaluated of an image, ``(B,
            C')``, where that is not ``pooled``.
    """

    values: Tensor
    indices: Tensor
    grid: tuple[int, int]
    class_token: Tensor | None = None
    matching: Tensor | None = None
    pooled: Tensor | None = None
    feature: Tensor | None = None

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

    def select(self, mask: Mask | None) -> ImageTokens:
        """Keep the tokens of the masked cells.

        Args:
            mask (Mask, optional): Mask of a grid that this one, of which all
                cells have a token, divides evenly; None keeps everything.
        """
        if mask is None:
            return self
        kept = mask.resize(self.grid).indices()
        return replace(
            self,
            values=gather_tokens(self.values, kept),
            indices=gather_tokens(self.indices, kept),
            matching=_optional(self.matching, kept),
            pooled=None,
            feature=None,
        )

    def resize(self, grid: tuple[int, int]) -> ImageTokens:
        """Resample tokens of a whole grid to another one, bilinearly."""
        features = self.values.transpose(1, 2).unflatten(2, self.grid)
        resized = ImageTokens.from_map(
            F.interpolate(features, grid, mode='bilinear', antialias=True)
        )
        return replace(
            resized, class_token=self.class_token, pooled=self.pooled
        )

    def detach(self) -> ImageTokens:
        """Return the tokens without gradient."""
        return replace(
            self,
            values=self.values.detach(),
            class_token=_detach(self.class_token),
            matching=_detach(self.matching),
            pooled=_detach(self.pooled),
            feature=_detach(self.feature),
        )

    def mean(self) -> Tensor:
        """Give what stands for each image, ``(B, C)``; see ``pooled``."""
        return self.values.mean(dim=1) if self.pooled is None else self.pooled

    def evaluated(self) -> Tensor:
        """Give what is evaluated of each image, see ``feature``."""
        return self.mean() if self.feature is None else self.feature


def _optional(values: Tensor | None, kept: Tensor) -> Tensor | None:
    return None if values is None else gather_tokens(values, kept)


def _detach(values: Tensor | None) -> Tensor | None:
    return None if values is None else values.detach()
