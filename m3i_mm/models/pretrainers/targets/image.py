"""Image targets: self-supervised pre-training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from ..batch import Batch, MissingInputError
from ..inputs import Member
from ..positions import grid_coordinates, relative_coordinates
from ..tokens import ImageTokens, gather_tokens, mask_to_indices, upsample_mask
from .base import BaseTarget, Target

__all__ = ['DenseFeatures', 'GlobalFeatures', 'MatchedFeatures', 'Pixels']

ENCODERS = ('momentum', 'frozen', 'online')


class _ImageTarget(BaseTarget):
    """A target made from a view of the image.

    Args:
        view (str): ``'same'``, the view that is the input, or ``'other'``.
    """

    def __init__(self, view: str = 'same') -> None:
        super().__init__()
        if view not in ('same', 'other'):
            raise ValueError(f"view must be 'same' or 'other', got {view!r}")
        self.view = view

    def target_view(self, member: Member) -> int:
        """Return the number of the target's view."""
        return member.view if self.view == 'same' else 1 - member.view


class _EncodedTarget(_ImageTarget):
    """A target encoded by an image encoder.

    Args:
        encoder (str): ``'momentum'``, ``'frozen'`` or ``'online'``.
        view (str): ``'same'`` or ``'other'``.
        stop_gradient (bool): Whether the online encoder learns from being a
            target; the other encoders never do.
    """

    def __init__(
        self,
        encoder: str = 'momentum',
        view: str = 'other',
        stop_gradient: bool = True,
    ) -> None:
        super().__init__(view)
        if encoder not in ENCODERS:
            raise ValueError(
                f'encoder must be one of {ENCODERS}, got {encoder!r}'
            )
        self.encoder = encoder
        self.stop_gradient = stop_gradient

    def encode(self, batch: Batch, member: Member) -> ImageTokens:
        """Encode the target view of the member's images."""
        assert self.encoder is not None
        with torch.set_grad_enabled(
            torch.is_grad_enabled() and not self.stop_gradient
        ):
            return batch.encode(
                self.encoder, self.target_view(member), member.rows
            )


class _DenseTarget(_ImageTarget):
    """A target with one feature per patch.

    Args:
        view (str): ``'same'`` or ``'other'``.
        patches (str): Which patches are predicted: ``'all'``, or only those
            that are ``'hidden'`` in the input (same view only).
    """

    patches: str = 'all'

    def set_patches(self, patches: str) -> None:
        """Check and set which patches are predicted."""
        if patches not in ('all', 'hidden'):
            raise ValueError(f"patches must be 'all' or 'hidden': {patches!r}")
        if patches == 'hidden' and self.view == 'other':
            raise ValueError(
                "patches='hidden' has no meaning for view="
                "'other': no patch of it was in the input"
            )
        self.patches = patches

    def locate(
        self,
        values: Tensor,
        grid: tuple[int, int],
        batch: Batch,
        member: Member,
        tokens: ImageTokens,
    ) -> Target:
        """Give dense features ``(P, T, C)`` of a grid their places."""
        if self.view == 'other':
            coordinates = relative_coordinates(
                batch.geometry(member.view, member.rows),
                batch.geometry(1 - member.view, member.rows),
                tokens.grid,
                grid,
            )
            return Target(values, coordinates=coordinates)
        coordinates, cells = _own_places(values, grid, tokens.grid)
        if self.patches == 'all':
            return Target(values, coordinates=coordinates, cells=cells)
        if member.hidden is None:
            raise MissingInputError(
                "patches='hidden' needs an input that hides patches, such as "
                'PatchMask or PatchMix'
            )
        hidden = mask_to_indices(upsample_mask(member.hidden, grid).flatten(1))
        return Target(
            gather_tokens(values, hidden),
            coordinates=gather_tokens(coordinates, hidden),
            cells=None if cells is None else gather_tokens(cells, hidden),
        )


def _own_places(
    values: Tensor, grid: tuple[int, int], input_grid: tuple[int, int]
) -> tuple[Tensor, Tensor | None]:
    """Locate the patches of the input view itself."""
    batch = len(values)
    scale = values.new_tensor(
        [input_grid[0] / grid[0], input_grid[1] / grid[1]]
    )
    centres = (grid_coordinates(grid, values) + 0.5) * scale - 0.5
    coordinates = torch.cat([centres, torch.zeros_like(centres)], 1)
    cells = None
    if grid == input_grid:
        cells = torch.arange(len(centres), device=values.device)
        cells = cells.expand(batch, -1)
    return coordinates.expand(batch, -1, -1), cells


@MODELS.register_module()
class DenseFeatures(_EncodedTarget, _DenseTarget):
    """Patch features of an image encoder (paper section 4.3).

    Args:
        encoder (str): ``'momentum'``, ``'frozen'`` or ``'online'``.
            Defaults to ``'momentum'``.
        view (str): ``'same'`` or ``'other'``. Defaults to ``'same'``.
        patches (str): ``'all'`` or ``'hidden'``. Defaults to ``'all'``.
        layer_norm (bool): Normalise each target over its channels, without
            affine parameters (SiameseIM). Defaults to True.
        stop_gradient (bool): See :class:`_EncodedTarget`. Defaults to True.
    """

    def __init__(
        self,
        encoder: str = 'momentum',
        view: str = 'same',
        patches: str = 'all',
        layer_norm: bool = True,
        stop_gradient: bool = True,
    ) -> None:
        super().__init__(encoder, view, stop_gradient)
        self.set_patches(patches)
        self.layer_norm = layer_norm

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Target:
        """Encode the view, see :meth:`BaseTarget.forward`."""
        target = self.encode(batch, member)
        values = target.values
        if self.layer_norm:
            # autocast runs it in float32
            values = F.layer_norm(values, values.shape[-1:])
        return self.locate(values, target.grid, batch, member, tokens)


@MODELS.register_module()
class GlobalFeatures(_EncodedTarget):
    """The mean feature of an image encoder, one vector per image.

    Args:
        encoder (str): ``'momentum'``, ``'frozen'`` or ``'online'``.
            Defaults to ``'momentum'``.
        view (str): ``'same'`` or ``'other'``. Defaults to ``'other'``.
        stop_gradient (bool): See :class:`_EncodedTarget`. Defaults to True.
    """

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Target:
        """Encode and pool the view, see :meth:`BaseTarget.forward`."""
        return Target(self.encode(batch, member).mean())


@MODELS.register_module()
class MatchedFeatures(_EncodedTarget):
    """For each token of the input, the most similar token of a view.

    The dense correspondence of DenseCL (Wang et al., 2021, section 3.3):
    tokens are matched by the cosine similarity of their features before the
    neck, their features after it are the targets.

    Args:
        encoder (str): ``'momentum'``, ``'frozen'`` or ``'online'``.
            Defaults to ``'momentum'``.
        view (str): ``'same'`` or ``'other'``. Defaults to ``'other'``.
        stop_gradient (bool): See :class:`_EncodedTarget`. Defaults to True.
    """

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Target:
        """Encode and match the view, see :meth:`BaseTarget.forward`."""
        target = self.encode(batch, member)
        with torch.no_grad():
            ours, theirs = (
                F.normalize(
                    t.values if t.matching is None else t.matching, dim=-1
                )
                for t in (tokens, target)
            )
            nearest = (ours @ theirs.transpose(1, 2)).argmax(-1)  # (P, K)
        return Target(
            gather_tokens(target.values, nearest),
            cells=tokens.indices,
            pooled=target.mean(),
        )


@MODELS.register_module()
class Pixels(_DenseTarget):
    """The pixels of each patch.

    Args:
        patch_size (int): Side of a patch. Defaults to 16.
        view (str): ``'same'`` or ``'other'``. Defaults to ``'same'``.
        patches (str): ``'all'`` or ``'hidden'``. Defaults to ``'all'``.
        normalize (bool): Standardise each patch, as MAE does.
            Defaults to False.
    """

    def __init__(
        self,
        patch_size: int = 16,
        view: str = 'same',
        patches: str = 'all',
        normalize: bool = False,
    ) -> None:
        super().__init__(view)
        self.set_patches(patches)
        self.patch_size = patch_size
        self.normalize = normalize

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Target:
        """Cut the view into patches, see :meth:`BaseTarget.forward`."""
        images = batch.view(self.target_view(member))[member.rows]
        values, grid = patchify(images, self.patch_size)
        if self.normalize:
            variance, mean = torch.var_mean(values, dim=-1, keepdim=True)
            values = (values - mean) / (variance + 1e-6).sqrt()
        return self.locate(values, grid, batch, member, tokens)


def patchify(
    images: Tensor, patch_size: int
) -> tuple[Tensor, tuple[int, int]]:
    """Cut images into patches.

    Args:
        images (Tensor): ``(B, 3, H, W)``.
        patch_size (int): Side p of a patch, dividing H and W.

    Returns:
        tuple[Tensor, tuple[int, int]]: Patches ``(B, T, p * p * 3)``, each
        row by row, channels last; and the grid.
    """
    height, width = images.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f'Images of {height}x{width} pixels do not divide '
            f'into patches of {patch_size}'
        )
    grid = (height // patch_size, width // patch_size)
    # (B, 3, h, p, w, p) -> (B, h, w, p, p, 3) -> (B, h * w, p * p * 3)
    patches = images.unflatten(2, (grid[0], -1)).unflatten(4, (grid[1], -1))
    patches = patches.permute(0, 2, 4, 3, 5, 1)
    return patches.flatten(3).flatten(1, 2), grid
