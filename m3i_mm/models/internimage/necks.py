"""Necks between InternImage and a linear classifier, or M3I's decoders.

T to XL: a pointwise convolution and average pooling. H and G: the last two
stages become one map of stride 16, whose tokens are pooled by attention.
Parameters are named as in the official checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.models.utils.attention_pooling import AttentionPooling
from m3i_mm.models.utils.norm import build_norm
from m3i_mm.registry import MODELS

__all__ = ['AttentionPoolingNeck', 'ConvPoolingNeck', 'StageFusion']


@MODELS.register_module()
class ConvPoolingNeck(BaseModule):
    """Convolution 1x1, BatchNorm, GELU and global average pooling.

    Args:
        in_channels (int): Channels of the last map.
        out_channels (int): Width of the feature; officially 1.5 times.
        init_cfg (dict, optional): Initialisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.conv_head = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            build_norm(out_channels, 'BN', 'channels_first', 'channels_first'),
            nn.GELU(),
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """Pool the last map.

        Args:
            maps (Sequence[Tensor]): Maps of the backbone; the last one is
                (B, in_channels, H, W).

        Returns:
            tuple[Tensor]: One feature, (B, out_channels).
        """
        return (self.conv_head(maps[-1]).mean(dim=(2, 3)),)


@MODELS.register_module()
class StageFusion(BaseModule):
    """Fuse the maps of stride 16 and 32 to one of stride 16.

    The deeper map is projected to ``4 * out_channels`` and unfolded to twice
    its size (pixel shuffle), the other one projected, and both are added.

    Args:
        in_channels (Sequence[int]): Channels of the maps of stride 16 and 32.
        out_channels (int): Channels of the fused map.
        init_cfg (dict, optional): Initialisation.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 1024,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        middle, deep = in_channels
        self.out_channels = out_channels
        self.dcnv3_head_x4 = nn.Sequential(
            nn.Conv2d(deep, 4 * out_channels, 1), nn.PixelShuffle(2)
        )
        self.dcnv3_head_x3 = nn.Conv2d(middle, out_channels, 1)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """Fuse the last two maps.

        Args:
            maps (Sequence[Tensor]): Maps of the backbone, of which the last
                two have the strides 16 and 32.

        Returns:
            tuple[Tensor]: One map, (B, out_channels, H / 16, W / 16).

        Raises:
            ValueError: If the maps do not have sizes 2:1, because the image
                is not a multiple of 32 pixels.
        """
        middle, deep = maps[-2:]
        check_fusible(middle, deep)
        return (self.dcnv3_head_x4(deep) + self.dcnv3_head_x3(middle),)


def check_fusible(middle: Tensor, deep: Tensor) -> None:
    """Raise ValueError unless one map (B, C, H, W) is twice the other."""
    if middle.shape[2] != 2 * deep.shape[2] or (
        middle.shape[3] != 2 * deep.shape[3]
    ):
        raise ValueError(
            'Fusing two stages needs an image whose height and width are '
            f'multiples of 32; the last maps are {tuple(middle.shape)} '
            f'and {tuple(deep.shape)}'
        )


@MODELS.register_module()
class AttentionPoolingNeck(BaseModule):
    """Pool a map by attention and normalise the result.

    Args:
        in_channels (int): Channels of the map.
        out_channels (int): Width of the feature.
        num_heads (int): Attention heads.
        init_cfg (dict, optional): Initialisation. Defaults to a truncated
            normal of standard deviation 0.02 for linear layers.
    """

    def __init__(
        self,
        in_channels: int = 1024,
        out_channels: int = 768,
        num_heads: int = 16,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            init_cfg or dict(type='TruncNormal', layer='Linear', std=0.02)
        )
        self.clip_projector = AttentionPooling(
            in_channels, num_heads, out_channels
        )
        self.fc_norm = build_norm(out_channels)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor]:
        """Pool the last map.

        Args:
            maps (Sequence[Tensor]): Maps; the last is (B, C, H, W).

        Returns:
            tuple[Tensor]: One feature, (B, out_channels).
        """
        tokens = maps[-1].flatten(2).transpose(1, 2)  # (B, H*W, C)
        return (self.fc_norm(self.clip_projector(tokens)),)
