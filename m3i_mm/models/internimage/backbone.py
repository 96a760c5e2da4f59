"""InternImage (Wang et al., CVPR 2023, arXiv 2211.05778), any library.

::

    image -- stem /4 -- stage 0 -- /2 -- stage 1 -- /2 -- stage 2 -- ...
                          |               |                |
                        map /4          map /8           map /16

A stage is a row of blocks (DCNv3 and MLP with residual connections). The
residual stream is (B, H, W, C); the maps come out as (B, C, H, W). Parameters
are named as in the official checkpoints, so those load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from m3i_mm.registry import MODELS

from .archs import InternImageArch, get_arch
from .layers import Block, Stage, Stem
from .released_loading import adapt_to_backbone, adapt_to_classifier

__all__ = ['InternImage', 'reset_parameters']


@MODELS.register_module()
class InternImage(BaseModule):
    """InternImage backbone.

    Args:
        arch (str | dict): ``'tiny'``, ``'small'``, ``'base'``, ``'large'``,
            ``'xlarge'``, ``'huge'``, ``'giant'``, or the fields of
            :class:`InternImageArch`.
        in_channels (int): Channels of the image.
        out_indices (Sequence[int]): Stages whose maps are returned.
        drop_path_rate (float): Drop-path rate of the last block; it grows
            linearly from 0 at the first.
        layer_scale (float, optional): Replaces the layer scale of ``arch``.
            The official detectors and segmentors use 1.0 for T to XL.
        norm_layer (str): ``'LN'`` or ``'BN'`` for the norms after
            convolutions; all others are LayerNorm.
        frozen_stages (int): -1 freezes nothing, 0 the stem, n the stem and
            the first n stages. The official code leaves the stem trainable.
        norm_eval (bool): Keep BatchNorm layers in evaluation mode.
        with_cp (bool): Recompute the activations of each block in the
            backward pass, for less memory.
        backend (str): Backend of the ops, see :func:`m3i_mm.ops.dcnv3`.
            With ``'auto'`` and ``'triton'`` norms and residual additions
            have kernels too, on a GPU.
        init_cfg (dict, optional): With ``type='Pretrained'`` an official
            checkpoint loads as it is.

    Raises:
        ValueError: If ``arch``, ``out_indices`` or ``frozen_stages`` is
            unknown or contradictory.
    """

    stage_class: type[Stage] = Stage

    def __init__(
        self,
        arch: str | Mapping[str, Any] | InternImageArch = 'tiny',
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        drop_path_rate: float = 0.0,
        layer_scale: float | None = None,
        norm_layer: str = 'LN',
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        backend: str = 'auto',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.arch = get_arch(arch, layer_scale)
        self.out_indices = tuple(out_indices)
        if not set(self.out_indices) <= set(range(4)):
            raise ValueError(
                f'out_indices must be among 0, 1, 2, 3, got {out_indices}'
            )
        if not -1 <= frozen_stages <= 4:
            raise ValueError(
                f'frozen_stages must lie in -1 ... 4, got {frozen_stages}'
            )
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.num_features = self.arch.stage_channels[-1]
        self.patch_embed = Stem(
            in_channels, self.arch.channels, norm_layer, backend
        )
        depths = self.arch.depths
        rates = torch.linspace(0, drop_path_rate, sum(depths), device='cpu')
        self.levels = nn.ModuleList(
            self.stage_class(
                self.arch, index, part.tolist(), norm_layer, with_cp, backend
            )
            for index, part in enumerate(rates.split(depths))
        )
        self._freeze_stages()
        self._register_load_state_dict_pre_hook(self._adapt)
        self._last_report = ''

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps.

        Args:
            x (Tensor): (B, 3, H, W).

        Returns:
            tuple[Tensor]: For each of ``out_indices`` i, (B, C * 2^i,
            ceil(H / 2^(i+2)), ceil(W / 2^(i+2))).
        """
        x = self.patch_embed(x)
        maps = []
        for index, stage in enumerate(self.levels):
            out, x = stage(x)
            if index in self.out_indices:
                maps.append(out.permute(0, 3, 1, 2).contiguous())
        return tuple(maps)

    def init_weights(self) -> None:
        """Initialise, then load what ``init_cfg`` asks for.

        A pretrained file comes last and stays, see :func:`reset_parameters`.
        """
        if not self.is_init:
            reset_parameters(self)
        super().init_weights()

    def train(self, mode: bool = True) -> InternImage:
        """Switch the mode; frozen parts stay in evaluation mode.

        Args:
            mode (bool): Whether to train.

        Returns:
            InternImage: Itself.
        """
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def get_layer_depth(
        self, param_name: str, prefix: str = ''
    ) -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning-rate decay.

        The count of the official detectors and segmentors: the stem is 0,
        each block has its own depth, what follows the backbone is last. A
        norm or downsampling at the end of a stage counts with the first block
        of the next one, ``levels.3.norm`` with the first of its own stage and
        the k-th post-norm of the third stage with the k-th block there.

        Args:
            param_name (str): Name of the parameter in the whole model.
            prefix (str): Prefix of this backbone, e.g. ``'backbone.'``.

        Returns:
            tuple[int, int]: The depth and the number of depths.
        """
        depths = self.arch.depths
        last = sum(depths) + 1
        if not param_name.startswith(prefix):
            return last, last + 1
        part, *path = param_name[len(prefix) :].split('.')
        if part != 'levels':
            return 0, last + 1
        stage = int(path[0])
        if path[1] in ('blocks', 'post_norms'):
            return sum(depths[:stage]) + int(path[2]) + 1, last + 1
        return sum(depths[: min(stage + 1, 3)]) + 1, last + 1

    def get_block_depth(
        self, param_name: str, prefix: str = ''
    ) -> tuple[int, int]:
        """Depth of a parameter, counting blocks only.

        The count of the official classifiers: the stem shares the depth of
        the first block; post-norms, the last norm and what follows the
        backbone share that of the last block.

        Args:
            param_name (str): Name of the parameter in the whole model.
            prefix (str): Prefix of this backbone, e.g. ``'backbone.'``.

        Returns:
            tuple[int, int]: The depth and the number of depths.
        """
        last = sum(self.arch.depths) - 1
        if any(
            param_name.startswith(f'{prefix}levels.{name}.')
            for name in ('3.norm', '2.post_norms')
        ):
            return last, last + 1
        depth, _ = self.get_layer_depth(param_name, prefix)
        return min(max(depth - 1, 0), last), last + 1

    def _adapt(self, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        """Let files of the authors load; raise if the backbone is not there.

        That holds for non-strict loads too, whose warnings go unread.
        """
        self._log(adapt_to_backbone(self.state_dict(), state_dict, prefix))

    def _checkpoint_filter(
        self, state_dict: dict[str, Any], prefix: str, *_: Any
    ) -> None:
        """Do the same for a classifier; MMPretrain's hook."""
        self._log(adapt_to_classifier(state_dict, prefix))

    def _log(self, report: str) -> None:
        # a file is tried before it is loaded, and named once
        if report and report != self._last_report:
            print_log(report, logger='current')
        self._last_report = report or self._last_report

    def _freeze_stages(self) -> None:
        if self.frozen_stages < 0:
            return
        for part in (self.patch_embed, *self.levels[: self.frozen_stages]):
            part.eval()
            part.requires_grad_(False)


def reset_parameters(module: nn.Module) -> None:
    """Initialise as the authors do.

    Linear layers get a truncated normal of standard deviation 0.02; DCNv3
    comes second, because it must start with zero offsets.

    Args:
        module (nn.Module): An InternImage or a head of one.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for layer in module.modules():
        if isinstance(layer, Block):
            layer.dcn.reset_parameters()
