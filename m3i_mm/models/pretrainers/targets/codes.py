"""Discrete codes as targets: masked image modelling as classification."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from ..batch import Batch
from ..inputs import Member
from ..places import check_patches, locate
from ..tokens import ImageTokens
from .base import Choices, Needs
from .image import ViewTarget, patchify

__all__ = ['CodeTarget', 'RandomProjectionTokenizer']


@MODELS.register_module()
class CodeTarget(ViewTarget):
    """The visual word of each patch (BEiT, Bao et al., 2022).

    z_y is the embedding of the word, so that the ``Categorical`` likelihood is
    the cross-entropy of BEiT.

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

    represents: ClassVar[type] = Choices

    def __init__(
        self,
        tokenizer: dict[str, Any],
        num_codes: int,
        embed_dims: int,
        view: str = 'same',
        patches: str = 'hidden',
    ) -> None:
        super().__init__(view)
        check_patches(view, patches)
        self.patches = patches
        self.tokenizer = MODELS.build(tokenizer).requires_grad_(False).eval()
        self.embedding = nn.Parameter(torch.empty(num_codes, embed_dims))
        self.bias = nn.Parameter(torch.zeros(num_codes))
        nn.init.trunc_normal_(self.embedding, std=0.02)

    @property
    def needs(self) -> Needs:
        """See :attr:`BaseTarget.needs`."""
        return Needs(geometry=self.view == 'other')

    def train(self, mode: bool = True) -> CodeTarget:
        """Keep the tokenizer in evaluation mode."""
        super().train(mode)
        self.tokenizer.eval()
        return self

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Choices:
        """Tokenise the view, see :meth:`BaseTarget.forward`."""
        images = member.pick(batch.view(self.target_view(member)))
        with torch.no_grad():
            codes = self.tokenizer(images)
        if codes.dim() == 4:
            codes = codes.argmax(1)
        grid = (
            tokens.grid
            if codes.dim() == 2
            else (codes.shape[1], codes.shape[2])
        )
        places = locate(grid, self.view, self.patches, batch, member, tokens)
        index = places.pick(codes.flatten(1))
        return Choices(self.embedding, index, self.bias, places=places)


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
