"""The four published sizes of FlashInternImage (paper, appendix)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from m3i_mm.models.internimage.archs import ARCHS, InternImageArch

__all__ = ['FLASH_ARCHS', 'FlashInternImageArch']


@dataclass(frozen=True)
class FlashInternImageArch(InternImageArch):
    """Settings of an InternImage, and which biases its branches end with.

    Args:
        output_bias (bool): Whether the last layer of DCNv4 has a bias.
        fc2_bias (bool): Whether the last layer of the MLP has a bias.
    """

    output_bias: bool = False
    fc2_bias: bool = False


def _flash(name: str, **settings: Any) -> FlashInternImageArch:
    """Channels, depths, groups and norms of InternImage."""
    return FlashInternImageArch(**{**vars(ARCHS[name]), **settings})


FLASH_ARCHS = {
    'tiny': _flash('tiny'),
    'small': _flash('small', dw_kernel_size=3),
    'base': _flash('base', dw_kernel_size=3, offset_scale=0.5),
    'large': _flash(
        'large', dw_kernel_size=3, output_bias=True, fc2_bias=True
    ),
}
