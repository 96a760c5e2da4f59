"""DINO as published, on both lines of OpenMMLab.

A query's position is encoded by sines and cosines before a small network
turns it into the query. DINO (Zhang et al., ICLR 2023), its checkpoints and
MMDetection 3.3 take 128 values per coordinate; MMDetection 3.5 of the onedl
line takes 256, so no published checkpoint fits there.
"""

from __future__ import annotations

from mmdet.models.detectors import DINO
from mmdet.models.layers.transformer import MLP
from torch import Tensor

from m3i_mm.registry import MODELS

__all__ = ['PublishedDINO']


class _ReferencePointHead(MLP):
    """Network on the encoding of DINO, whichever encoding it is given.

    Of twice as many frequencies every other one is a frequency of the coarser
    encoding: 10000^(2 (2 j) / 256) = 10000^(2 j / 128).
    """

    def forward(self, encoding: Tensor) -> Tensor:
        """Map the encoding of the reference boxes to queries.

        Args:
            encoding (Tensor): (B, N, 4 * E), where E is 128 or a multiple;
                sine and cosine of a frequency are neighbours.

        Returns:
            Tensor: (B, N, C).
        """
        step = encoding.shape[-1] // self.layers[0].in_features
        # (B, N, 4 * E) -> (B, N, frequencies, step, 2) -> (B, N, 4 * 128)
        pairs = encoding.unflatten(-1, (-1, step, 2))
        return super().forward(pairs[..., 0, :].flatten(-2))


@MODELS.register_module()
class PublishedDINO(DINO):
    """MMDetection's DINO, with the positional encoding of the paper."""

    def _init_layers(self) -> None:
        super()._init_layers()
        width = self.decoder.embed_dims
        self.decoder.ref_point_head = _ReferencePointHead(
            2 * width, width, width, 2
        )
