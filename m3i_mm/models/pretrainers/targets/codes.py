"""Discrete codes as targets: masked image modelling as classification."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from m3i_mm.registry import MODELS

from ..batch import Batch
from ..inputs import Member
from ..tokens import ImageTokens
from .base import Target
from .image import _DenseTarget

__all__ = ['CodeTarget']


@MODELS.register_module()
class CodeTarget(_DenseTarget):
    """The visual word of each patch (BEiT, Bao et al., 2022).

    z_y is the embedding of the word, so that the ``Boltzmann`` likelihood
    with all words as negatives is the cross-entropy of BEiT.

    Args:
        tokenizer (dict): Config of a frozen module that maps images
            ``(B, 3, H, W)`` to code indices ``(B, T)`` or ``(B, h, w)``, or
            to logits ``(B, num_codes, h, w)``, e.g. MMPretrain's
            ``DALLEEncoder`` or ``VQKD``.
        num_codes (int): Size of the vocabulary.
        embed_dims (int): Width of a code's embedding.
        view (str): ``'same'`` or ``'other'``. Defaults to ``'same'``.
        patches (str): ``'all'`` or ``'hidden'``. Defaults to ``'hidden'``.
    """

    def __init__(
        self,
        tokenizer: dict[str, Any],
        num_codes: int,
        embed_dims: int,
        view: str = 'same',
        patches: str = 'hidden',
    ) -> None:
        super().__init__(view)
        self.set_patches(patches)
        self.tokenizer = MODELS.build(tokenizer).requires_grad_(False).eval()
        self.embedding = nn.Parameter(torch.empty(num_codes, embed_dims))
        self.bias = nn.Parameter(torch.zeros(num_codes))
        nn.init.trunc_normal_(self.embedding, std=0.02)

    def train(self, mode: bool = True) -> CodeTarget:
        """Keep the tokenizer in evaluation mode."""
        super().train(mode)
        self.tokenizer.eval()
        return self

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Target:
        """Tokenise the view, see :meth:`BaseTarget.forward`."""
        images = batch.view(self.target_view(member))[member.rows]
        with torch.no_grad():
            codes = self.tokenizer(images)
        if codes.dim() == 4:
            codes = codes.argmax(1)
        grid = (
            tokens.grid
            if codes.dim() == 2
            else (codes.shape[1], codes.shape[2])
        )
        # places are found for the codes as features of width one
        target = self.locate(
            codes.flatten(1)[..., None].float(), grid, batch, member, tokens
        )
        return Target(
            self.embedding,
            target.values[..., 0].long(),
            self.bias,
            coordinates=target.coordinates,
            cells=target.cells,
        )
