"""Raw pixels as features: the baseline every learned feature must beat."""

from __future__ import annotations

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from m3i_mm.registry import MODELS

__all__ = ['PixelFeatures', 'PixelPatches']


@MODELS.register_module()
class PixelFeatures(BaseModule):
    """Returns the down-sampled image itself; it has no parameters.

    As the backbone of an MMPretrain ``ImageClassifier`` it makes raw pixels a
    model like any other for ``FeatureEvalLoop``.

    Args:
        size (int): Height and width of the down-sampled image in pixels.
    """

    def __init__(self, size: int = 24) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Average the pixels of each cell of a ``size`` x ``size`` grid.

        Args:
            images (Tensor): Images, (B, 3, H, W).

        Returns:
            tuple[Tensor]: Pixels as vectors, (B, 3 * size * size).
        """
        pixels = F.adaptive_avg_pool2d(images, self.size)
        return (pixels.flatten(1),)  # (B, 3, s, s) -> (B, 3*s*s)


@MODELS.register_module()
class PixelPatches(BaseModule):
    """Returns the pixels of each patch as the features of its place.

    The baseline for dense features, as :class:`PixelFeatures` is for vectors.

    Args:
        patch_size (int): Side of a patch in pixels.
    """

    def __init__(self, patch_size: int = 8) -> None:
        super().__init__()
        self.patch_size = patch_size

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Cut images into patches.

        Args:
            images (Tensor): Images, (B, 3, H, W).

        Returns:
            tuple[Tensor]: Pixels by place, (B, 3 * p * p, H / p, W / p).
        """
        return (F.pixel_unshuffle(images, self.patch_size),)
