"""A projector for dense features."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.registry import MODELS

__all__ = ['ConvProjector']


@MODELS.register_module()
class ConvProjector(BaseModule):
    """Projects every token of a map: 1x1 convolution, ReLU, 1x1 convolution.

    The dense projection head of DenseCL (Wang et al., 2021, section 3.2).

    Args:
        in_channels (int): Channels of the last map.
        hidden_channels (int): Channels between the convolutions.
        out_channels (int): Channels of the projected map.
    """

    def __init__(
        self, in_channels: int, hidden_channels: int, out_channels: int
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, hidden_channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden_channels, out_channels, 1),
        )

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Project the last map.

        Args:
            maps (tuple[Tensor, ...]): Maps, the last ``(B, C, h, w)``.

        Returns:
            tuple[Tensor, ...]: One map, ``(B, out_channels, h, w)``.
        """
        return (self.layers(maps[-1]),)
