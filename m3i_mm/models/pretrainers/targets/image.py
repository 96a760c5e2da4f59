"""Image targets: self-supervised pre-training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from ..batch import Batch
from ..inputs import Member
from ..places import check_patches, locate, own_places
from ..tokens import ImageTokens, gather_tokens
from .base import BaseTarget, Features, Needs

__all__ = [
    'DenseFeatures',
    'GlobalFeatures',
    'MatchedFeatures',
    'Pixels',
    'ProjectedFeatures',
    'ViewTarget',
]


class ViewTarget(BaseTarget):
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
        return member.view if self.view == 'same' else member.other_view


class EncodedTarget(ViewTarget):
    """A target encoded by an image encoder.

    Args:
        encoder (str): ``'momentum'``, ``'frozen'``, ``'online'`` or the name
            of one of the teachers of ``M3I``.
        view (str): ``'same'`` or ``'other'``.
        stop_gradient (bool): Whether the online encoder does not learn from
            being a target; the other encoders never do.
        standardize (dict, optional): Config of what brings the features to
            one scale, e.g. ``ChannelStatistics``.
    """

    def __init__(
        self,
        encoder: str = 'momentum',
        view: str = 'other',
        stop_gradient: bool = True,
        standardize: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(view)
        self.encoder = encoder
        self.stop_gradient = stop_gradient
        self.standardize: nn.Module = nn.Identity()
        if standardize is not None:
            self.standardize = MODELS.build(standardize)

    @property
    def needs(self) -> Needs:
        """See :attr:`BaseTarget.needs`."""
        learns = self.encoder == 'online' and not self.stop_gradient
        return Needs(encoder=self.encoder, learns=learns)

    @property
    def _is_foreign(self) -> bool:
        """Whether the encoder may have other patches than the student."""
        return self.encoder not in ('online', 'momentum')

    def encode(self, batch: Batch, member: Member) -> ImageTokens:
        """Encode the target view of the member's images."""
        view = self.target_view(member)
        tokens = batch.encode(self.encoder, member, view)
        return tokens.detach() if self.stop_gradient else tokens


@lru_cache
def _log_resampled(
    encoder: str, given: tuple[int, int], wanted: tuple[int, int]
) -> None:
    print_log(
        f'DenseFeatures: the {given[0]}x{given[1]} patches of the encoder '
        f'{encoder!r} are resampled to the {wanted[0]}x{wanted[1]} of the '
        'input',
        logger='current',
        level=logging.WARNING,
    )


@torch.compiler.assume_constant_result
def _say_resampled(
    encoder: str, given: tuple[int, int], wanted: tuple[int, int]
) -> bool:
    """Log it once, be the step compiled or not."""
    _log_resampled(encoder, given, wanted)
    return True


@MODELS.register_module()
class DenseFeatures(EncodedTarget):
    """Patch features of an image encoder (paper section 4.3).

    Those of a teacher with other patches than the input's are resampled to
    them.

    Args:
        encoder (str): ``'momentum'``, ``'frozen'`` or ``'online'``.
            Defaults to ``'momentum'``.
        view (str): ``'same'`` or ``'other'``. Defaults to ``'same'``.
        patches (str): ``'all'`` or ``'hidden'``. Defaults to ``'all'``.
        layer_norm (bool): Normalise each target over its channels, without
            affine parameters (SiameseIM). Defaults to True.
        stop_gradient (bool): See :class:`EncodedTarget`. Defaults to True.
        standardize (dict, optional): See :class:`EncodedTarget`; set
            ``layer_norm=False`` with it.

    Raises:
        ValueError: If the features would be normalised in two ways.
    """

    def __init__(
        self,
        encoder: str = 'momentum',
        view: str = 'same',
        patches: str = 'all',
        layer_norm: bool = True,
        stop_gradient: bool = True,
        standardize: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(encoder, view, stop_gradient, standardize)
        if layer_norm and standardize is not None:
            raise ValueError(
                'DenseFeatures normalises by layer_norm or by standardize: '
                'set layer_norm=False'
            )
        check_patches(view, patches)
        self.patches = patches
        self.layer_norm = layer_norm

    @property
    def needs(self) -> Needs:
        """See :attr:`BaseTarget.needs`."""
        return replace(super().needs, geometry=self.view == 'other')

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Features:
        """Encode the view, see :meth:`BaseTarget.forward`."""
        target = self.encode(batch, member)
        if self._is_foreign and target.grid != tokens.grid:
            _say_resampled(self.encoder, target.grid, tokens.grid)
            target = target.resize(tokens.grid)
        values = self.standardize(target.values)
        if self.layer_norm:
            # autocast runs it in float32
            values = F.layer_norm(values, values.shape[-1:])
        places = locate(
            target.grid, self.view, self.patches, batch, member, tokens
        )
        return Features(places.pick(values), places=places)


@MODELS.register_module()
class GlobalFeatures(EncodedTarget):
    """The mean feature of an image encoder, one vector per image.

    Args:
        encoder (str): ``'momentum'``, ``'frozen'`` or ``'online'``.
            Defaults to ``'momentum'``.
        view (str): ``'same'`` or ``'other'``. Defaults to ``'other'``.
        stop_gradient (bool): See :class:`EncodedTarget`. Defaults to True.
        classes (str, optional): Field of the samples with a class, which
            ``SupervisedContrast`` asks for; a sample may lack it.
        standardize (dict, optional): See :class:`EncodedTarget`.
    """

    def __init__(
        self,
        encoder: str = 'momentum',
        view: str = 'other',
        stop_gradient: bool = True,
        classes: str | None = None,
        standardize: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(encoder, view, stop_gradient, standardize)
        self.classes = classes

    @property
    def needs(self) -> Needs:
        """See :attr:`BaseTarget.needs`."""
        return replace(super().needs, field=self.classes)

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Features:
        """Encode and pool the view, see :meth:`BaseTarget.forward`."""
        values = self.standardize(self.encode(batch, member).mean())
        return Features(values, classes=self._labels(batch, member, values))

    def _labels(
        self, batch: Batch, member: Member, values: Tensor
    ) -> Tensor | None:
        if self.classes is None:
            return None
        labels = batch.field(self.classes, member)
        if labels is None:
            return torch.full_like(values[:, 0], -1, dtype=torch.long)
        return labels.values.flatten().long().masked_fill(~labels.valid, -1)


@MODELS.register_module()
class ProjectedFeatures(GlobalFeatures):
    """The mean feature of an image encoder after layers that are learned too.

    What a target and its prediction are compared by is then no feature of the
    encoder itself, whose features keep what the comparison discards (SimCLR,
    Chen et al., 2020, section 4.2).

    Args:
        layers (Sequence[dict]): Configs of modules that map a tuple of
            ``(P, C)`` to such a tuple, e.g. ``NonLinearNeck``.
        encoder (str): See :class:`EncodedTarget`. Defaults to ``'online'``.
        view (str): ``'same'`` or ``'other'``. Defaults to ``'other'``.
        stop_gradient (bool): Whether the encoder does not learn from being a
            target; the layers do in any case. Defaults to False.
        classes (str, optional): See :class:`GlobalFeatures`.
    """

    def __init__(
        self,
        layers: Sequence[dict[str, Any]],
        encoder: str = 'online',
        view: str = 'other',
        stop_gradient: bool = False,
        classes: str | None = None,
    ) -> None:
        super().__init__(encoder, view, stop_gradient, classes)
        self.layers = nn.ModuleList(MODELS.build(cfg) for cfg in layers)

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Features:
        """Encode, pool and project the view."""
        features = super().forward(batch, member, tokens)
        values = features.values
        for layer in self.layers:
            values = layer((values,))[-1]
        return replace(features, values=values)


@MODELS.register_module()
class MatchedFeatures(EncodedTarget):
    """For each token of the input, the most similar token of a view.

    The dense correspondence of DenseCL (Wang et al., 2021, section 3.3):
    tokens are matched by the cosine similarity of their features before the
    neck, their features after it are the targets.

    Args:
        encoder (str): ``'momentum'``, ``'frozen'`` or ``'online'``.
            Defaults to ``'momentum'``.
        view (str): ``'same'`` or ``'other'``. Defaults to ``'other'``.
        stop_gradient (bool): See :class:`EncodedTarget`. Defaults to True.
    """

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Features:
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
        places = own_places(tokens.grid, tokens).of(tokens.indices)
        return Features(
            gather_tokens(target.values, nearest),
            places=places,
            pooled=target.mean(),
        )


@MODELS.register_module()
class Pixels(ViewTarget):
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
        check_patches(view, patches)
        self.patches = patches
        self.patch_size = patch_size
        self.normalize = normalize

    @property
    def needs(self) -> Needs:
        """See :attr:`BaseTarget.needs`."""
        return Needs(geometry=self.view == 'other')

    def forward(
        self, batch: Batch, member: Member, tokens: ImageTokens
    ) -> Features:
        """Cut the view into patches, see :meth:`BaseTarget.forward`."""
        images = member.pick(batch.view(self.target_view(member)))
        values, grid = patchify(images, self.patch_size)
        if self.normalize:
            variance, mean = torch.var_mean(values, dim=-1, keepdim=True)
            values = (values - mean) / (variance + 1e-6).sqrt()
        places = locate(grid, self.view, self.patches, batch, member, tokens)
        return Features(places.pick(values), places=places)


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
