"""Simple feature pyramid of ViTDet (Li et al., ECCV 2022, section 3).

A plain backbone has one map of one scale. Four parallel branches resample it
to strides 4, 8, 16 and 32; nothing flows between the scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torchvision.models.convnext import LayerNorm2d

from m3i_mm.registry import MODELS

__all__ = ['SimpleFeaturePyramid']

_norm = partial(LayerNorm2d, eps=1e-6)


def _upsample_by_four(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(channels, channels // 2, 2, stride=2),
        _norm(channels // 2),
        nn.GELU(),
        nn.ConvTranspose2d(channels // 2, channels // 4, 2, stride=2),
    )


def _project(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        _norm(out_channels),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        _norm(out_channels),
    )


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """Build a feature pyramid from the last map of a plain backbone.

    Args:
        in_channels (int): Channels of the backbone's map; a multiple of 4.
        out_channels (int): Channels of every level.
        num_outs (int): Number of levels, 4 or more. Levels beyond the fourth
            are the one before, subsampled by 2.
        init_cfg (dict, optional): Initialisation of MMEngine's ``BaseModule``.

    Raises:
        ValueError: If ``in_channels`` is no multiple of 4 or ``num_outs`` is
            less than 4.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        num_outs: int = 5,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if in_channels % 4:
            raise ValueError(
                f'in_channels must be a multiple of 4, got {in_channels}'
            )
        if num_outs < 4:
            raise ValueError(f'num_outs must be 4 or more, got {num_outs}')
        self.num_outs = num_outs
        self.resamplers = nn.ModuleList(
            [
                _upsample_by_four(in_channels),
                nn.ConvTranspose2d(in_channels, in_channels // 2, 2, stride=2),
                nn.Identity(),
                nn.MaxPool2d(2, stride=2, ceil_mode=True),
            ]
        )
        widths = (in_channels // 4, in_channels // 2, in_channels, in_channels)
        self.projections = nn.ModuleList(
            _project(width, out_channels) for width in widths
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Resample the last map to every level.

        Args:
            inputs (Sequence[Tensor]): Maps of the backbone; the last one, of
                shape (B, C, H, W) and stride 16, is used.

        Returns:
            tuple[Tensor]: ``num_outs`` maps of shape (B, out_channels, h, w)
            with strides 4, 8, 16, 32, 64 ...
        """
        feature = inputs[-1]
        levels = [
            project(resample(feature))
            for resample, project in zip(
                self.resamplers, self.projections, strict=True
            )
        ]
        while len(levels) < self.num_outs:
            levels.append(F.max_pool2d(levels[-1], 1, stride=2))
        return tuple(levels)
