"""Parts of InternImage: stem, downsampling, block and stage.

All of them keep the residual stream as (B, H, W, C). Which norms a block has
follows from the size of the network: T normalises the input of a branch
(pre-norm), S to XL and G its output (post-norm), H both (res-post-norm).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, cast

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from m3i_mm.models.utils.autocast import autocast_dtype, cast_parameters
from m3i_mm.models.utils.norm import build_norm
from m3i_mm.models.utils.recompute import recomputed
from m3i_mm.ops.add_norm import Norm, add_norm

from .archs import InternImageArch
from .dcnv3 import DCNv3

__all__ = ['Block', 'Downsample', 'Stage', 'Stem']


class Stem(nn.Module):
    """Two strided convolutions, image to a map of a quarter of its size.

    Args:
        in_channels (int): Channels of the image.
        channels (int): Output channels C.
        norm_layer (str): ``'LN'`` or ``'BN'``.
        backend (str): Backend of the ops.
    """

    def __init__(
        self, in_channels: int, channels: int, norm_layer: str, backend: str
    ) -> None:
        super().__init__()
        hidden = channels // 2
        self.conv1 = nn.Conv2d(in_channels, hidden, 3, stride=2, padding=1)
        self.norm1 = build_norm(
            hidden,
            norm_layer,
            'channels_first',
            'channels_first',
            gelu=True,
            backend=backend,
        )
        self.conv2 = nn.Conv2d(hidden, channels, 3, stride=2, padding=1)
        self.norm2 = build_norm(
            channels, norm_layer, 'channels_first', backend=backend
        )

    def forward(self, image: Tensor) -> Tensor:
        """Embed the image.

        Args:
            image (Tensor): (B, 3, H, W).

        Returns:
            Tensor: (B, ceil(H/4), ceil(W/4), C).
        """
        # the layout of all that follows, while there are few channels
        image = image.contiguous(memory_format=torch.channels_last)
        with cast_parameters(self, image):
            x = self.norm1(self.conv1(image))
            return self.norm2(self.conv2(x))


class Downsample(nn.Module):
    """Halve the size and double the channels.

    Args:
        channels (int): Input channels C.
        norm_layer (str): ``'LN'`` or ``'BN'``.
        backend (str): Backend of the ops.
    """

    def __init__(self, channels: int, norm_layer: str, backend: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, 2 * channels, 3, stride=2, padding=1, bias=False
        )
        self.norm = build_norm(
            2 * channels, norm_layer, 'channels_first', backend=backend
        )

    def forward(self, x: Tensor) -> Tensor:
        """Downsample.

        Args:
            x (Tensor): (B, H, W, C).

        Returns:
            Tensor: (B, ceil(H/2), ceil(W/2), 2C).
        """
        return self.norm(self.conv(x.permute(0, 3, 1, 2)))


class MLP(nn.Module):
    """Two linear layers with a GELU between them.

    Args:
        channels (int): Input and output channels C.
        hidden_channels (int): Channels between the layers.
        bias (bool): Whether the second layer has a bias.
    """

    def __init__(
        self, channels: int, hidden_channels: int, bias: bool = True
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden_channels)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_channels, channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position.

        Args:
            x (Tensor): (B, H, W, C).

        Returns:
            Tensor: (B, H, W, C).
        """
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """DCNv3 and MLP, each a residual branch.

    Args:
        arch (InternImageArch): Settings of the network.
        channels (int): Channels C.
        groups (int): DCNv3 groups.
        drop_path (float): Probability to leave a branch out, in training.
        norm_layer (str): Norm inside DCNv3, ``'LN'`` or ``'BN'``.
        with_cp (bool): Recompute activations in the backward pass.
        backend (str): Backend of the ops.
    """

    def __init__(
        self,
        arch: InternImageArch,
        channels: int,
        groups: int,
        drop_path: float,
        norm_layer: str,
        with_cp: bool,
        backend: str,
    ) -> None:
        super().__init__()
        self.post_norm = arch.post_norm
        self.with_cp = with_cp
        self.backend = backend
        self.norm1 = build_norm(channels)
        self.dcn = self.build_dcn(arch, channels, groups, norm_layer, backend)
        self.drop_path = DropPath(drop_path)
        self.norm2 = build_norm(channels)
        self.mlp = self.build_mlp(arch, channels)
        self.res_post_norm1: nn.Module | None = None
        self.res_post_norm2: nn.Module | None = None
        if arch.res_post_norm:
            self.res_post_norm1 = build_norm(channels)
            self.res_post_norm2 = build_norm(channels)
        self.gamma1: nn.Parameter | None = None
        self.gamma2: nn.Parameter | None = None
        if arch.layer_scale is not None:
            scale = torch.full((channels,), float(arch.layer_scale))
            self.gamma1 = nn.Parameter(scale)
            self.gamma2 = nn.Parameter(scale.clone())

    def build_dcn(
        self,
        arch: InternImageArch,
        channels: int,
        groups: int,
        norm_layer: str,
        backend: str,
    ) -> Any:
        """Build the layer that samples; see the class for the arguments."""
        return DCNv3(
            channels,
            dw_kernel_size=arch.dw_kernel_size,
            groups=groups,
            offset_scale=arch.offset_scale,
            center_feature_scale=arch.center_feature_scale,
            norm_layer=norm_layer,
            backend=backend,
        )

    def build_mlp(self, arch: InternImageArch, channels: int) -> MLP:
        """Build the layer that transforms each position."""
        return MLP(channels, int(channels * arch.mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """Apply both branches.

        Args:
            x (Tensor): (B, H, W, C).

        Returns:
            Tensor: (B, H, W, C).
        """
        if not (self.with_cp and x.requires_grad):
            return self._forward(x)
        return recomputed(self, self._forward, x)

    def _forward(self, x: Tensor) -> Tensor:
        before1, after1 = self._norms(self.norm1, self.res_post_norm1)
        before2, after2 = self._norms(self.norm2, self.res_post_norm2)
        add = partial(add_norm, backend=self.backend)
        dtype = autocast_dtype(x)
        with cast_parameters(self, x):
            x, out = add(x, norm=before1, dtype=dtype)
            x, out = add(
                x,
                self.dcn(out),
                after1,
                self.gamma1,
                self._keep(x),
                before2,
                dtype,
            )
            x, _ = add(x, self.mlp(out), after2, self.gamma2, self._keep(x))
        return x

    def _norms(
        self, norm: nn.Module, res_post_norm: nn.Module | None
    ) -> tuple[Norm | None, Norm | None]:
        """Return the norms of a branch's input and output."""
        if self.post_norm:
            return None, _parameters_of(norm)
        return _parameters_of(norm), _parameters_of(res_post_norm)

    def _keep(self, x: Tensor) -> Tensor | None:
        """Draw the factor of each sample, (B,)."""
        if not (self.drop_path.training and self.drop_path.drop_prob):
            return None
        return self.drop_path(x.new_ones(len(x)))


def _parameters_of(norm: nn.Module | None) -> Norm | None:
    """Return what a norm of ``build_norm`` multiplies and adds."""
    if norm is None:
        return None
    (layer,) = cast(Iterable[nn.LayerNorm], norm)
    return Norm.of(layer)


class Stage(nn.Module):
    """A row of blocks at one resolution, and the way to the next one.

    Args:
        arch (InternImageArch): Settings of the network.
        index (int): Which stage, 0 to 3.
        drop_path (Sequence[float]): Rate of each block.
        norm_layer (str): Norm of stem, downsampling and DCNv3.
        with_cp (bool): Recompute activations in the backward pass.
        backend (str): Backend of the ops.
    """

    block_class: type[Block] = Block

    def __init__(
        self,
        arch: InternImageArch,
        index: int,
        drop_path: Sequence[float],
        norm_layer: str,
        with_cp: bool,
        backend: str,
    ) -> None:
        super().__init__()
        channels = arch.stage_channels[index]
        self.blocks = nn.ModuleList(
            self.block_class(
                arch,
                channels,
                arch.groups[index],
                rate,
                norm_layer,
                with_cp,
                backend,
            )
            for rate in drop_path
        )
        ids = arch.level2_post_norm_block_ids if index == 2 else ()
        self.post_norm_block_ids = ids
        self.post_norms = nn.ModuleList(build_norm(channels) for _ in ids)
        self.norm: nn.Module | None = None
        if not arch.post_norm or arch.center_feature_scale:
            self.norm = build_norm(channels)
        self.downsample: nn.Module | None = None
        if index < 3:
            self.downsample = Downsample(channels, norm_layer, backend)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Run the blocks.

        Args:
            x (Tensor): (B, H, W, C).

        Returns:
            tuple[Tensor, Tensor]: The map of this stage (B, H, W, C), and the
            input of the next one, (B, ceil(H/2), ceil(W/2), 2C); after the
            last stage both are the same.
        """
        post_norms = dict(
            zip(self.post_norm_block_ids, self.post_norms, strict=True)
        )
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in post_norms:
                x = post_norms[index](x)
        if self.norm is not None:
            x = self.norm(x)
        return x, x if self.downsample is None else self.downsample(x)
