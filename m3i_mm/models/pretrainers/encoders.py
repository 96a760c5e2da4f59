"""f_theta on the input side, and image encoders on the target side."""

from __future__ import annotations

from copy import deepcopy

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from .tokens import ImageTokens

__all__ = [
    'FrozenEncoder',
    'MomentumEncoder',
    'encode_image',
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
    before = ImageTokens.from_map(maps[-1])
    if before.grid == tokens.grid:
        tokens.matching = before.values
    return tokens


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
