"""A segmentor of MMSegmentation as a function of images."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ['ExportedSegmentor']


class ExportedSegmentor(nn.Module):
    """Logits of each pixel.

    Args:
        segmentor (nn.Module): An ``EncoderDecoder`` whose head gives one map.
    """

    output_names = ('logits',)
    # what is compared after an export
    verified = (0,)

    def __init__(self, segmentor: Any) -> None:
        super().__init__()
        self.segmentor = segmentor

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Compute what ``whole`` inference computes.

        Args:
            images (Tensor): Normalised, ``(B, 3, H, W)``.

        Returns:
            tuple[Tensor]: Logits of the classes, ``(B, C, H, W)``.
        """
        head = self.segmentor.decode_head
        logits = head(self.segmentor.extract_feat(images))
        size = images.shape[-2:]
        return (
            F.interpolate(
                logits,
                size,
                mode='bilinear',
                align_corners=head.align_corners,
            ),
        )
