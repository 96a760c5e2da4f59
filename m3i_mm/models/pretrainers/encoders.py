"""f_theta on the input side, and image encoders on the target side."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from .tokens import ImageTokens, gather_tokens, mask_to_indices, upsample_mask

__all__ = [
    'FrozenEncoder',
    'MomentumEncoder',
    'encode_image',
    'encode_visible_patches',
]


def encode_image(
    backbone: nn.Module, neck: nn.Module | None, images: Tensor
) -> ImageTokens:
    """Encode whole images.

    Args:
        backbone (nn.Module): Returns a map ``(B, C, h, w)`` or several.
        neck (nn.Module, optional): Turns the maps into one map or vector.
        images (Tensor): ``(B, 3, H, W)``.

    Returns:
        ImageTokens: Tokens of the last map.
    """
    maps = backbone(images)
    if isinstance(maps, Tensor):
        maps = (maps,)
    if neck is None:
        return ImageTokens.from_map(maps[-1])
    outputs = neck(maps)
    if not isinstance(outputs, Tensor):
        outputs = outputs[-1]
    tokens = ImageTokens.from_map(outputs)
    tokens.matching = ImageTokens.from_map(maps[-1]).values
    return tokens


def encode_visible_patches(
    vit: Any, images: Tensor, visible: Tensor
) -> ImageTokens:
    """Run a plain Vision Transformer on a part of its patches (MAE).

    Args:
        vit (nn.Module): MMPretrain's ``VisionTransformer`` or a subclass.
        images (Tensor): ``(B, 3, H, W)``.
        visible (Tensor): Boolean mask ``(B, h, w)``, equally many true cells
            per image.

    Returns:
        ImageTokens: Tokens of the visible patches, ``(B, K, C)``, and the
        class token if the backbone has one.

    Raises:
        TypeError: If the backbone is no plain Vision Transformer.
    """
    needed = ('patch_embed', 'pos_embed', 'layers', 'drop_after_pos')
    missing = [name for name in needed if not hasattr(vit, name)]
    if missing:
        raise TypeError(
            f'{type(vit).__name__} cannot drop patches: it has no '
            f"{', '.join(missing)}. Use fill=dict(type='FillPixels')"
        )
    patches, grid = vit.patch_embed(images)  # (B, L, C)
    positions = vit.resize_pos_embed(
        vit.pos_embed,
        vit.patch_resolution,
        grid,
        vit.interpolate_mode,
        vit.num_extra_tokens,
    )
    extra = vit.num_extra_tokens
    patches = patches + positions[:, extra:]
    indices = mask_to_indices(upsample_mask(visible, tuple(grid)).flatten(1))
    tokens = gather_tokens(patches, indices)
    if extra:
        first = (vit.cls_token + positions[:, :extra]).expand(
            len(images), -1, -1
        )
        tokens = torch.cat([first, tokens], 1)  # (B, 1 + K, C)
    tokens = vit.pre_norm(vit.drop_after_pos(tokens))
    for layer in vit.layers:
        tokens = layer(tokens)
    if vit.final_norm:
        tokens = vit.norm1(tokens)
    return ImageTokens(
        tokens[:, extra:],
        indices,
        tuple(grid),
        tokens[:, 0] if extra else None,
    )


class _TargetEncoder(BaseModule):
    """A backbone and neck without gradient."""

    backbone: nn.Module
    neck: nn.Module | None

    @torch.no_grad()
    def forward(self, images: Tensor) -> ImageTokens:
        """Encode images ``(B, 3, H, W)`` without gradient."""
        return encode_image(self.backbone, self.neck, images)


@MODELS.register_module()
class MomentumEncoder(_TargetEncoder):
    """The exponential moving average of the image encoder.

    ``average = momentum * average + (1 - momentum) * online``, once per
    optimiser step (``MomentumUpdateHook``). Buffers are copied.

    Args:
        backbone (nn.Module): The online backbone, copied.
        neck (nn.Module, optional): The online neck, copied.
    """

    def __init__(
        self, backbone: nn.Module, neck: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.backbone = deepcopy(backbone).requires_grad_(False)
        self.neck = deepcopy(neck)
        if self.neck is not None:
            self.neck.requires_grad_(False)
        self.register_buffer('steps', torch.tensor(0, dtype=torch.long))
        self.steps: Tensor

    def init_weights(self) -> None:
        """Do nothing: the weights are copied from the online encoder."""

    @torch.no_grad()
    def copy_from(self, online: nn.Module) -> None:
        """Take over the weights of the online encoder."""
        self._average(online, momentum=0.0)

    @torch.no_grad()
    def update_parameters(self, online: nn.Module, momentum: float) -> None:
        """Average the online encoder in.

        Args:
            online (nn.Module): Module with ``backbone`` and ``neck``.
            momentum (float): Share of the old average, in [0, 1].
        """
        self._average(online, momentum)
        self.steps += 1

    def _average(self, online: nn.Module, momentum: float) -> None:
        for name in ('backbone', 'neck'):
            average = getattr(self, name)
            if average is None:
                continue
            source = getattr(online, name)
            _check_same_structure(average, source, name)
            for old, new in zip(
                average.parameters(), source.parameters(), strict=True
            ):
                old.lerp_(new.detach().to(old.dtype), 1 - momentum)
            for old, new in zip(
                average.buffers(), source.buffers(), strict=True
            ):
                old.copy_(new)


def _check_same_structure(
    average: nn.Module, online: nn.Module, name: str
) -> None:
    shapes = [
        {key: value.shape for key, value in module.named_parameters()}
        for module in (average, online)
    ]
    if shapes[0] != shapes[1]:
        differing = sorted(
            key
            for key in shapes[0].keys() | shapes[1].keys()
            if shapes[0].get(key) != shapes[1].get(key)
        )
        raise ValueError(
            f'The momentum encoder does not have the structure of the online '
            f'{name}: {differing[0]} and {len(differing) - 1} more differ'
        )


@MODELS.register_module()
class FrozenEncoder(_TargetEncoder):
    """A fixed teacher, e.g. one with ``init_cfg`` of a trained checkpoint.

    Args:
        backbone (dict): Config of the backbone.
        neck (dict, optional): Config of the neck.
    """

    def __init__(self, backbone: dict, neck: dict | None = None) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone).requires_grad_(False)
        self.neck = None
        if neck is not None:
            self.neck = MODELS.build(neck).requires_grad_(False)

    def train(self, mode: bool = True) -> FrozenEncoder:
        """Stay in evaluation mode."""
        return super().train(False)
