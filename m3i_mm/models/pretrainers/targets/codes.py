"""Discrete codes as targets: masked image modelling as classification."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from ..batch import Batch
from ..inputs import Member
from ..tokens import ImageTokens
from .base import Target
from .image import _DenseTarget, patchify

__all__ = ['CodeTarget', 'RandomProjectionTokenizer']


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


@MODELS.register_module()
class RandomProjectionTokenizer(BaseModule):
    """Visual words without training: nearest of random codes.

    The quantiser of BEST-RQ (Chiu et al., 2022): patches are standardised,
    projected at random, and named after the code of the nearest direction.

    Args:
        patch_size (int): Side of a patch. Defaults to 16.
        num_codes (int): Size of the vocabulary. Defaults to 512.
        embed_dims (int): Width of a code. Defaults to 16.
        seed (int): Seed of projection and codes. Defaults to 0.
    """

    def __init__(
        self,
        patch_size: int = 16,
        num_codes: int = 512,
        embed_dims: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        generator = torch.Generator().manual_seed(seed)
        width = 3 * patch_size**2
        projection = torch.randn(width, embed_dims, generator=generator)
        codes = torch.randn(num_codes, embed_dims, generator=generator)
        self.register_buffer('projection', projection)
        self.register_buffer('codes', F.normalize(codes, dim=1))
        self.projection: Tensor
        self.codes: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Name the patches of ``(B, 3, H, W)``: indices ``(B, h, w)``."""
        patches, grid = patchify(images, self.patch_size)
        patches = F.layer_norm(patches, patches.shape[-1:])
        words = (patches @ self.projection @ self.codes.T).argmax(-1)
        return words.unflatten(1, grid)  # (B, h * w) -> (B, h, w)
