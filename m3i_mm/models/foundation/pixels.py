"""From the pixels that one network sees to those that another one wants."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ['IMAGENET', 'Renormalize']

IMAGENET = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])


class Renormalize(nn.Module):
    """Changes normalisation and size of images.

    Args:
        before (tuple[Sequence[float], Sequence[float]]): Mean and standard
            deviation by which they were normalised, of 0 to 255.
        mean (Tensor): That the network wants, of 0 to 1, (3, ).
        std (Tensor): Likewise.
        size (int, optional): Side of the images; as they are if None.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        before: tuple[Sequence[float], Sequence[float]],
        mean: Tensor,
        std: Tensor,
        size: int | None = None,
    ) -> None:
        super().__init__()
        old_mean, old_std = (torch.tensor(list(part)) for part in before)
        self.register_buffer('scale', old_std / 255 / std, False)
        self.register_buffer('shift', (old_mean / 255 - mean) / std, False)
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Change images ``(B, 3, H, W)``."""
        if self.size is not None:
            size = (self.size, self.size)
            if images.shape[-2:] != size:
                images = F.interpolate(
                    images, size, mode='bicubic', antialias=True
                )
        return images * self.scale[:, None, None] + self.shift[:, None, None]
