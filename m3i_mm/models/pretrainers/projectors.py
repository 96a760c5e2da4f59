"""Necks that see tokens, whatever part of an image they are of."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from dataclasses import replace
from itertools import pairwise

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from .tokens import ImageTokens

__all__ = ['PrototypeHead', 'TokenProjector']


class TokenProjector(BaseModule, metaclass=ABCMeta):
    """A neck from tokens to tokens; inputs may leave out or hide patches."""

    @abstractmethod
    def forward(self, tokens: ImageTokens) -> ImageTokens:
        """Project tokens ``(B, K, C)`` to ``(B, K, C')``."""


@MODELS.register_module()
class PrototypeHead(TokenProjector):
    """Scores K prototypes (DINO's and iBOT's projection head).

    An MLP to a narrow vector of unit length, and its cosines with the
    prototypes, of the mean of the tokens and of each token alike (iBOT
    shares the head). Evaluated is the mean before the head.

    Args:
        in_channels (int): Width of the tokens.
        num_prototypes (int): K. Defaults to 65536.
        hidden_channels (int): Width between the layers. Defaults to 2048.
        bottleneck_channels (int): Width of the narrow vector.
            Defaults to 256.
        num_layers (int): Linear layers of the MLP. Defaults to 3.
        dense (bool): Whether tokens are scored, as dense targets need, or
            their mean alone. Defaults to False.
    """

    def __init__(
        self,
        in_channels: int,
        num_prototypes: int = 65536,
        hidden_channels: int = 2048,
        bottleneck_channels: int = 256,
        num_layers: int = 3,
        dense: bool = False,
    ) -> None:
        super().__init__()
        widths = [
            in_channels,
            *[hidden_channels] * (num_layers - 1),
            bottleneck_channels,
        ]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.GELU()]
        self.mlp = nn.Sequential(*layers[:-1])
        self.prototypes = nn.Parameter(
            torch.empty(num_prototypes, bottleneck_channels)
        )
        self.dense = dense
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.prototypes)

    def score(self, features: Tensor) -> Tensor:
        """Score features ``(..., C)``: cosines ``(..., K)``."""
        narrow = F.normalize(self.mlp(features), dim=-1)
        return F.linear(narrow, F.normalize(self.prototypes, dim=-1))

    def forward(self, tokens: ImageTokens) -> ImageTokens:
        """See :meth:`TokenProjector.forward`."""
        feature = tokens.mean()
        pooled = self.score(feature)
        if not self.dense:
            alone = ImageTokens.from_map(pooled)
            return replace(alone, feature=feature)
        return replace(
            tokens,
            values=self.score(tokens.values),
            pooled=pooled,
            feature=feature,
        )
