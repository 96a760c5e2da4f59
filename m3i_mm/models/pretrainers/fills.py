"""What stands in the place of hidden patches: a colour, nothing, a token."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from .inputs import Member, Pass
from .masked_vit import encode_masked_patches, encode_visible_patches
from .masks import Mask
from .projectors import TokenProjector
from .tokens import ImageTokens

__all__ = ['DropPatches', 'FillPixels', 'MaskToken']


@MODELS.register_module()
class FillPixels(BaseModule):
    """Paints hidden patches in one colour; any backbone can follow.

    Args:
        value (float): Value of normalised pixels, 0 is the mean colour.
            Defaults to 0.
    """

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: Tensor, hidden: Mask) -> Pass:
        """Paint the hidden patches ``(B, h, w)`` of ``(B, 3, H, W)``."""
        size = (images.shape[-2], images.shape[-1])
        pixels = hidden.resize(size).cells[:, None]  # (B, 1, H, W)
        return Pass(
            [Member(hidden=hidden)], images.masked_fill(pixels, self.value)
        )


@MODELS.register_module()
class DropPatches(BaseModule):
    """Leaves hidden patches out of the sequence (MAE); plain ViTs only."""

    def forward(self, images: Tensor, hidden: Mask) -> Pass:
        """Encode ``(B, 3, H, W)`` without the hidden patches ``(B, h, w)``."""

        def encode(
            backbone: nn.Module, neck: nn.Module | None, images: Tensor
        ) -> ImageTokens:
            tokens = encode_visible_patches(backbone, images, hidden.others())
            return _project(neck, tokens)

        return Pass([Member(hidden=hidden)], images, encode)


@MODELS.register_module()
class MaskToken(BaseModule):
    """Puts a learned token in the place of hidden patches (BEiT).

    For plain Vision Transformers.

    Args:
        embed_dims (int): Width of the patch embedding.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(embed_dims))
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, images: Tensor, hidden: Mask) -> Pass:
        """Encode ``(B, 3, H, W)`` with the mask ``(B, h, w)``."""

        def encode(
            backbone: nn.Module, neck: nn.Module | None, images: Tensor
        ) -> ImageTokens:
            tokens = encode_masked_patches(
                backbone, images, hidden, self.token
            )
            return _project(neck, tokens)

        return Pass([Member(hidden=hidden)], images, encode)


def _project(neck: nn.Module | None, tokens: ImageTokens) -> ImageTokens:
    """Apply a neck that works on tokens."""
    if neck is None:
        return tokens
    if not isinstance(neck, TokenProjector):
        raise ValueError(
            'DropPatches and MaskToken work on the tokens of a plain ViT, '
            f'which a {type(neck).__name__} does not take: use FillPixels, or '
            'a neck like PrototypeHead'
        )
    return neck(tokens)
