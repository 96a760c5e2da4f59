"""f_theta on the input side, and image encoders on the target side."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from m3i_mm.registry import MODELS
from m3i_mm.utils.names import near_names

from .projectors import TokenProjector
from .tokens import ImageTokens

__all__ = [
    'FrozenEncoder',
    'MomentumEncoder',
    'build_encoder',
    'check_encoder',
    'encode_image',
]


def build_encoder(cfg: dict[str, Any]) -> nn.Module:
    """Build a backbone, neck or other part of an encoder.

    MMPretrain gives layers NumPy's numbers, e.g. rates of drop path, which
    ``torch.compile`` takes for arrays; here they become Python's.

    Args:
        cfg (dict): Config of the module.
    """
    encoder = MODELS.build(cfg)
    for module in encoder.modules():
        for name, value in vars(module).items():
            if isinstance(value, np.generic):
                setattr(module, name, value.item())
    return encoder


def check_encoder(wanted: str | None, known: Collection[str]) -> None:
    """Check that there is the encoder that a target asks for.

    Args:
        wanted (str, optional): Its name.
        known (Collection[str]): The encoders of a model.

    Raises:
        ValueError: If there is none of that name.
    """
    if wanted is None or wanted in known:
        return
    if wanted in ('momentum', 'frozen'):
        raise ValueError(
            f'the target needs the {wanted} encoder: set {wanted}_encoder of '
            'M3I'
        )
    raise ValueError(
        f'the target has encoder={wanted!r}, but M3I has {", ".join(known)}.'
        f'{near_names(wanted, known)} A teacher is an entry of teachers'
    )


def encode_image(
    backbone: nn.Module, neck: nn.Module | None, images: Tensor
) -> ImageTokens:
    """Encode whole images.

    Args:
        backbone (nn.Module): Returns a map ``(B, C, h, w)`` or several.
        neck (nn.Module, optional): Turns the maps into one map or vector, or
            the tokens of the last one into others (:class:`TokenProjector`).
        images (Tensor): ``(B, 3, H, W)``.

    Returns:
        ImageTokens: Tokens of the last map. Of a neck that gives vectors,
        what is evaluated is the mean of the map before it.
    """
    maps = backbone(images)
    if isinstance(maps, Tensor):
        maps = (maps,)
    if neck is None:
        return ImageTokens.from_map(maps[-1])
    if isinstance(neck, TokenProjector):
        return neck(ImageTokens.from_map(maps[-1]))
    outputs = neck(maps)
    if not isinstance(outputs, Tensor):
        outputs = outputs[-1]
    tokens = ImageTokens.from_map(outputs)
    before = ImageTokens.from_map(maps[-1])
    if before.grid == tokens.grid:
        tokens.matching = before.values
    if outputs.dim() == 2:
        # a projector: what is of use is in front of it (SimCLR, section 4.2)
        tokens.feature = before.mean()
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
    optimiser step (``MomentumUpdateHook``). Buffers are copied. Its targets
    have no noise: drop path and dropout are off, in training too.

    Args:
        backbone (nn.Module): The online backbone, copied.
        neck (nn.Module, optional): The online neck, copied.
        batch_norm (str): What batch norms normalise by in training: the
            ``'batch'``, as MoCo v3 and BYOL do, or the ``'running'``
            statistics of the online encoder. Defaults to ``'batch'``.

    Raises:
        ValueError: If ``batch_norm`` is neither.
    """

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module | None = None,
        batch_norm: str = 'batch',
    ) -> None:
        super().__init__()
        if batch_norm not in ('batch', 'running'):
            raise ValueError(
                "batch_norm of MomentumEncoder is 'batch' or 'running', got "
                f'{batch_norm!r}'
            )
        self.batch_norm = batch_norm
        self.backbone = deepcopy(backbone).requires_grad_(False)
        self.neck = deepcopy(neck)
        if self.neck is not None:
            self.neck.requires_grad_(False)
        self.register_buffer('steps', torch.tensor(0, dtype=torch.long))
        self.steps: Tensor
        self.train()

    def train(self, mode: bool = True) -> MomentumEncoder:
        """Switch the batch norms alone, if they normalise by the batch."""
        super().train(False)
        if mode and self.batch_norm == 'batch':
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.train()
        return self

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
        parts = [
            (getattr(self, name), getattr(online, name))
            for name in ('backbone', 'neck')
            if getattr(self, name) is not None
        ]
        for average, source in parts:
            _check_same_structure(average, source)
        old = [p for average, _ in parts for p in average.parameters()]
        new = [
            # under FSDP the online shards may have another precision
            p.detach().to(q.dtype)
            for p, q in zip(
                (p for _, source in parts for p in source.parameters()),
                old,
                strict=True,
            )
        ]
        torch._foreach_lerp_(old, new, 1 - momentum)
        old = [b for average, _ in parts for b in average.buffers()]
        new = [b for _, source in parts for b in source.buffers()]
        if old:
            torch._foreach_copy_(old, new)


def _check_same_structure(average: nn.Module, online: nn.Module) -> None:
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
            'The momentum encoder does not have the structure of the online '
            f'{type(online).__name__}: {differing[0]} and '
            f'{len(differing) - 1} more differ'
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
        self.backbone = build_encoder(backbone).requires_grad_(False)
        self.neck = None
        if neck is not None:
            self.neck = build_encoder(neck).requires_grad_(False)

    def train(self, mode: bool = True) -> FrozenEncoder:
        """Stay in evaluation mode."""
        return super().train(False)
