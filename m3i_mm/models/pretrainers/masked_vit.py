"""Plain Vision Transformers on images of which some patches are hidden.

MMPretrain's backbones take whole images. These functions run their layers on
a part of the patches, or with a mask token in the place of some.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .masks import Mask
from .tokens import ImageTokens, gather_tokens

__all__ = ['encode_masked_patches', 'encode_visible_patches']

LAYERS = ('patch_embed', 'pos_embed', 'layers', 'drop_after_pos')


def encode_visible_patches(
    vit: nn.Module, images: Tensor, visible: Mask
) -> ImageTokens:
    """Leave the hidden patches out of the sequence (MAE).

    Args:
        vit (nn.Module): MMPretrain's ``VisionTransformer`` or a subclass.
        images (Tensor): ``(B, 3, H, W)``.
        visible (Mask): The patches that stay, ``(B, h, w)``.

    Returns:
        ImageTokens: Tokens of the visible patches, ``(B, K, C)``.

    Raises:
        TypeError: If the backbone is no plain Vision Transformer.
    """
    patches, positions, grid = _embed(vit, images)
    indices = visible.resize(grid).indices()
    extra = positions.shape[1] - patches.shape[1]
    patches = gather_tokens(patches + positions[:, extra:], indices)
    return _run(vit, patches, positions[:, :extra], indices, grid)


def encode_masked_patches(
    vit: nn.Module, images: Tensor, hidden: Mask, mask_token: Tensor
) -> ImageTokens:
    """Put a mask token in the place of the hidden patches (BEiT).

    Args:
        vit (nn.Module): MMPretrain's ``VisionTransformer`` or a subclass.
        images (Tensor): ``(B, 3, H, W)``.
        hidden (Mask): The patches that are replaced, ``(B, h, w)``.
        mask_token (Tensor): ``(C, )``.

    Returns:
        ImageTokens: Tokens of all patches, ``(B, L, C)``.

    Raises:
        TypeError: If the backbone is no plain Vision Transformer.
    """
    patches, positions, grid = _embed(vit, images)
    mask = hidden.resize(grid).cells.flatten(1)  # (B, L)
    patches = torch.where(mask[..., None], mask_token, patches)
    extra = positions.shape[1] - patches.shape[1]
    patches = patches + positions[:, extra:]
    indices = torch.arange(patches.shape[1], device=images.device)
    indices = indices.expand(len(images), -1)
    return _run(vit, patches, positions[:, :extra], indices, grid)


def _embed(vit: Any, images: Tensor) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Return patches (B, L, C), positions (1, extra + L, C), and the grid."""
    missing = [name for name in LAYERS if getattr(vit, name, None) is None]
    if missing:
        raise TypeError(
            f'{type(vit).__name__} is no plain Vision Transformer (it has no '
            f'{", ".join(missing)}), so patches cannot be left out or '
            "replaced: use fill=dict(type='FillPixels')"
        )
    if getattr(vit, 'rel_pos_bias', None) is not None:
        raise TypeError(
            f'{type(vit).__name__} has a relative position bias, which does '
            'not fit a part of the patches: set use_rel_pos_bias and '
            'use_shared_rel_pos_bias to False, use_abs_pos_emb to True'
        )
    patches, grid = vit.patch_embed(images)
    positions = vit.resize_pos_embed(
        vit.pos_embed,
        vit.patch_resolution,
        grid,
        vit.interpolate_mode,
        vit.num_extra_tokens,
    )
    return patches, positions, (grid[0], grid[1])


def _run(
    vit: Any,
    patches: Tensor,
    extra_positions: Tensor,
    indices: Tensor,
    grid: tuple[int, int],
) -> ImageTokens:
    extra = extra_positions.shape[1]
    tokens = patches
    if extra:
        first = (vit.cls_token + extra_positions).expand(len(patches), -1, -1)
        tokens = torch.cat([first, patches], 1)  # (B, extra + K, C)
    tokens = vit.drop_after_pos(tokens)
    if hasattr(vit, 'pre_norm'):
        tokens = vit.pre_norm(tokens)
    # BEiT's layers take a bias, which _embed has made sure is none
    options = dict(rel_pos_bias=None) if hasattr(vit, 'rel_pos_bias') else {}
    for layer in vit.layers:
        tokens = layer(tokens, **options)
    if vit.final_norm:
        tokens = vit.norm1(tokens)
    class_token = tokens[:, 0] if extra else None
    return ImageTokens(tokens[:, extra:], indices, grid, class_token)
