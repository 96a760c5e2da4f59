"""FlashInternImage: InternImage with DCNv4 (paper, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m3i_mm.models.internimage import InternImage
from m3i_mm.models.internimage.archs import InternImageArch, look_up
from m3i_mm.models.internimage.layers import MLP, Block, Stage
from m3i_mm.registry import MODELS

from .archs import FLASH_ARCHS, FlashInternImageArch
from .dcnv4 import DCNv4

__all__ = ['FlashInternImage']


class FlashBlock(Block):
    """DCNv4 and MLP, each a residual branch."""

    def build_dcn(
        self,
        arch: InternImageArch,
        channels: int,
        groups: int,
        norm_layer: str,
        backend: str,
    ) -> DCNv4:
        """Build the layer that samples."""
        assert isinstance(arch, FlashInternImageArch)
        return DCNv4(
            channels,
            dw_kernel_size=arch.dw_kernel_size,
            groups=groups,
            offset_scale=arch.offset_scale,
            output_bias=arch.output_bias,
            backend=backend,
        )

    def build_mlp(self, arch: InternImageArch, channels: int) -> MLP:
        """Build the layer that transforms each position."""
        assert isinstance(arch, FlashInternImageArch)
        hidden = int(channels * arch.mlp_ratio)
        return MLP(channels, hidden, bias=arch.fc2_bias)


class FlashStage(Stage):
    """A row of blocks with DCNv4."""

    block_class = FlashBlock


@MODELS.register_module()
class FlashInternImage(InternImage):
    """FlashInternImage backbone.

    Files of the authors load as they are, as those of InternImage.

    Args:
        arch (str | dict): ``'tiny'``, ``'small'``, ``'base'``, ``'large'``,
            or the fields of :class:`FlashInternImageArch`.
        layer_scale (float, optional): Replaces the layer scale of ``arch``.
        **settings: See :class:`m3i_mm.models.InternImage`.

    Raises:
        ValueError: If an argument is unknown or contradictory.
    """

    stage_class = FlashStage

    def __init__(
        self,
        arch: str | Mapping[str, Any] | FlashInternImageArch = 'tiny',
        layer_scale: float | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(look_up(FLASH_ARCHS, arch, layer_scale), **settings)
