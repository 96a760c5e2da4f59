"""InternImage with the interface that timm asks of a model.

The parameters have their official names without any prefix, so the released
classification files load as they are. What comes after the last stage differs
by size, one class each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from timm.models._features import feature_take_indices
from torch import Tensor, nn

from m3i_mm.models.internimage.archs import get_arch
from m3i_mm.models.internimage.backbone import InternImage, reset_parameters
from m3i_mm.models.internimage.classifier import (
    FUSED_CHANNELS,
    POOLED_CHANNELS,
)
from m3i_mm.models.internimage.layers import Block, Stage
from m3i_mm.models.internimage.necks import (
    AttentionPoolingNeck,
    ConvPoolingNeck,
    StageFusion,
    check_fusible,
)

__all__ = ['HEADS', 'InternImageForTimm', 'build']


class InternImageForTimm(nn.Module):
    """InternImage, its last map averaged and classified.

    Args:
        arch (str | dict): See :class:`m3i_mm.models.InternImage`.
        in_chans (int): Channels of the image. Defaults to 3.
        num_classes (int): Number of classes, 0 for no classifier.
            Defaults to 1000.
        global_pool (str, optional): ``''`` leaves the map as it is; else the
            pooling of the head, its ``pool_type``. Defaults to that.
        drop_rate (float): Dropout before the classifier. Defaults to 0.
        drop_path_rate (float): Drop path of the last block; it grows from 0.
            Defaults to 0.
        layer_scale (float, optional): Replaces that of ``arch``.
        norm_layer (str): ``'LN'`` or ``'BN'`` after convolutions.
        backend (str): Backend of the op, see :func:`m3i_mm.ops.dcnv3`.

    Attributes:
        num_features (int): Channels of :meth:`forward_features`.
        head_hidden_size (int): Width of what is classified.

    Raises:
        ValueError: If an argument is unknown.
    """

    pool_type = 'avg'
    num_features: int
    head_hidden_size: int

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'tiny',
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str | None = None,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        layer_scale: float | None = None,
        norm_layer: str = 'LN',
        backend: str = 'auto',
    ) -> None:
        super().__init__()
        backbone = InternImage(
            arch,
            in_channels=in_chans,
            drop_path_rate=drop_path_rate,
            layer_scale=layer_scale,
            norm_layer=norm_layer,
            backend=backend,
        )
        self.in_chans = in_chans
        self.patch_embed = backbone.patch_embed
        self.levels = backbone.levels
        channels = get_arch(arch).stage_channels
        self.feature_info = [
            dict(num_chs=c, reduction=4 * 2**i, module=f'levels.{i}')
            for i, c in enumerate(channels)
        ]
        self._add_head(channels)
        self.head_drop = nn.Dropout(drop_rate)
        self.reset_classifier(
            num_classes, self.pool_type if global_pool is None else global_pool
        )
        reset_parameters(self)

    def _add_head(self, channels: Sequence[int]) -> None:
        """Add what lies between the maps and the classifier."""
        self.num_features = self.head_hidden_size = channels[-1]

    def _remove_head(self) -> None:
        """Forget it, for a network of features."""

    def _join(self, maps: Sequence[Tensor]) -> Tensor:
        """Make one map of the four."""
        return maps[-1]

    def _project(self, x: Tensor) -> Tensor:
        """Transform the map before pooling, where that can be told apart."""
        return x

    def _pool(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))

    def forward_features(self, x: Tensor) -> Tensor:
        """Compute the map that is pooled.

        Args:
            x (Tensor): Images (B, in_chans, H, W).

        Returns:
            Tensor: (B, num_features, h, w).
        """
        return self._join(self._maps(x, len(self.levels)))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool and classify.

        Args:
            x (Tensor): Map of :meth:`forward_features`.
            pre_logits (bool): Stop before the classifier. Defaults to False.

        Returns:
            Tensor: Logits (B, num_classes) or features (B,
            head_hidden_size); a map if ``global_pool`` is ``''``.
        """
        x = self._project(x)
        if self.global_pool:
            x = self.head_drop(self._pool(x))
        return x if pre_logits else self.head(x)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images (B, in_chans, H, W)."""
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = 'NCHW',
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Compute the maps of the stages.

        Args:
            x (Tensor): Images (B, in_chans, H, W).
            indices (int | list[int], optional): The last n stages, or which.
                Defaults to all.
            norm (bool): Has no effect, the maps are normalised.
            stop_early (bool): Leave out stages after the last one asked for.
            output_fmt (str): Only ``'NCHW'``.
            intermediates_only (bool): Return nothing but the maps.

        Returns:
            list[Tensor] | tuple[Tensor, list[Tensor]]: Maps (B, C, h, w), and
            before them the result of :meth:`forward_features`.

        Raises:
            ValueError: If the format is another.
        """
        if output_fmt != 'NCHW':
            raise ValueError(f"output_fmt must be 'NCHW', got {output_fmt!r}")
        taken, last = feature_take_indices(len(self.levels), indices)
        count = last + 1 if stop_early else len(self.levels)
        maps = self._maps(x, count)
        chosen = [maps[index] for index in taken]
        if intermediates_only:
            return chosen
        complete = count == len(self.feature_info)
        return (self._join(maps) if complete else maps[-1]), chosen

    def _maps(self, x: Tensor, count: int) -> list[Tensor]:
        x = self.patch_embed(x)
        maps = []
        for stage in self.levels[:count]:
            out, x = stage(x)
            maps.append(out.permute(0, 3, 1, 2).contiguous())
        return maps

    def prune_intermediate_layers(
        self,
        indices: int | list[int] = 1,
        prune_norm: bool = False,
        prune_head: bool = True,
    ) -> list[int]:
        """Remove what the maps of some stages do not need.

        Args:
            indices (int | list[int]): The last n stages, or which.
            prune_norm (bool): Has no effect, see forward_intermediates.
            prune_head (bool): Whether to remove the head.

        Returns:
            list[int]: The stages, counted from the first.
        """
        taken, last = feature_take_indices(len(self.levels), indices)
        self.levels = self.levels[: last + 1]
        cast(Stage, self.levels[-1]).downsample = None
        if prune_head:
            self._remove_head()
            self.reset_classifier(0, '')
        return taken

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.head

    def reset_classifier(
        self, num_classes: int, global_pool: str | None = None
    ) -> None:
        """Replace the last layer.

        Args:
            num_classes (int): Number of classes, 0 for none.
            global_pool (str, optional): Also changes the pooling: ``''`` for
                none, or ``pool_type``.

        Raises:
            ValueError: If the head has no such pooling, or classes are to be
                told without any.
        """
        if global_pool is not None:
            if global_pool not in ('', self.pool_type):
                raise ValueError(
                    f"global_pool is '' or {self.pool_type!r} with this head, "
                    f'got {global_pool!r}'
                )
            self.global_pool = global_pool
        if num_classes and not self.global_pool:
            raise ValueError("global_pool='' needs num_classes=0")
        self.num_classes = num_classes
        self.head: nn.Module = nn.Identity()
        if num_classes:
            self.head = nn.Linear(self.head_hidden_size, num_classes)
            reset_parameters(self.head)

    @torch.jit.ignore
    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute the activations of each block in the backward pass."""
        for module in self.levels.modules():
            if isinstance(module, Block):
                module.with_cp = enable

    @torch.jit.ignore
    def no_weight_decay(self) -> set[str]:
        """Name parameters without decay beyond those of one dimension."""
        return set()

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Tell the layers for layer-wise learning rates.

        The stem is the first, then each block (or each stage); the k-th
        post-norm of the third stage counts with the k-th block, as the
        authors count.

        Args:
            coarse (bool): Whether a layer is a stage. Defaults to False.
        """
        if coarse:
            return dict(stem=r'^patch_embed', blocks=r'^levels\.(\d+)')
        return dict(
            stem=r'^patch_embed',
            blocks=[
                (r'^levels\.(\d+)\.(?:blocks|post_norms)\.(\d+)', None),
                (r'^levels\.(\d+)\.(?:norm|downsample)', (99999,)),
            ],
        )


class ConvHead(InternImageForTimm):
    """T to XL: a pointwise convolution before the average."""

    def _add_head(self, channels: Sequence[int]) -> None:
        self.num_features = channels[-1]
        self.head_hidden_size = channels[-1] * 3 // 2
        self.conv_head: nn.Module = ConvPoolingNeck(
            self.num_features, self.head_hidden_size
        ).conv_head

    def _remove_head(self) -> None:
        self.conv_head = nn.Identity()

    def _project(self, x: Tensor) -> Tensor:
        return self.conv_head(x)


class AttentionPoolHead(InternImageForTimm):
    """H and G: the last two maps fused, then pooled by attention."""

    pool_type = 'attn'

    def _add_head(self, channels: Sequence[int]) -> None:
        self.num_features = FUSED_CHANNELS
        self.head_hidden_size = POOLED_CHANNELS
        fusion = StageFusion(channels[-2:], FUSED_CHANNELS)
        self.dcnv3_head_x4: nn.Module = fusion.dcnv3_head_x4
        self.dcnv3_head_x3: nn.Module = fusion.dcnv3_head_x3
        pooling = AttentionPoolingNeck(FUSED_CHANNELS, POOLED_CHANNELS)
        self.clip_projector: nn.Module = pooling.clip_projector
        self.fc_norm: nn.Module = pooling.fc_norm

    def _remove_head(self) -> None:
        for name in (
            'dcnv3_head_x4',
            'dcnv3_head_x3',
            'clip_projector',
            'fc_norm',
        ):
            setattr(self, name, nn.Identity())

    def _join(self, maps: Sequence[Tensor]) -> Tensor:
        middle, deep = maps[-2:]
        check_fusible(middle, deep)
        return self.dcnv3_head_x4(deep) + self.dcnv3_head_x3(middle)

    def _pool(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)  # (B, C, h, w) -> (B, h*w, C)
        return self.fc_norm(self.clip_projector(tokens))


HEADS: dict[str, type[InternImageForTimm]] = {
    'linear': InternImageForTimm,
    'conv': ConvHead,
    'attention_pool': AttentionPoolHead,
}


def build(
    arch: str | Mapping[str, Any] = 'tiny',
    head: str | None = None,
    **settings: Any,
) -> InternImageForTimm:
    """Build an InternImage with one of the heads.

    Args:
        arch (str | dict): See :class:`m3i_mm.models.InternImage`.
        head (str, optional): A key of :data:`HEADS`. Defaults to that of
            ``arch``.
        **settings (Any): See :class:`InternImageForTimm`.

    Returns:
        InternImageForTimm: The network.

    Raises:
        ValueError: If the head is unknown.
    """
    head = head or get_arch(arch).head
    if head not in HEADS:
        raise ValueError(f'head must be one of {sorted(HEADS)}, got {head!r}')
    return HEADS[head](arch, **settings)
