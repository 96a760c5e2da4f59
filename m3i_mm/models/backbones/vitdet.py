"""Plain ViT for dense prediction at high resolution (ViTDet).

Li et al., "Exploring Plain Vision Transformer Backbones for Object
Detection", ECCV 2022: all blocks attend within windows but one in every
quarter of the depth, which attends globally.

MMPretrain's ``ViTSAM`` is that architecture, so this module only teaches it to
read the weights of a pre-trained plain ViT. Import it by its full path: it
needs MMPretrain, which ``m3i_mm.models`` does not.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import torch.nn.functional as F
from mmpretrain.models.backbones import ViTSAM
from torch import Tensor

from m3i_mm.registry import MODELS

__all__ = ['ViTDet']


@MODELS.register_module()
class ViTDet(ViTSAM):
    """ViT with window attention, initialised from a plain ViT.

    A checkpoint of MMPretrain's ``VisionTransformer`` (what M3I pre-trains)
    loads as it is: the entry of the class token leaves its position embedding
    and the rest is resampled to this image size.

    Args:
        arch (str | dict): Architecture of ``ViTSAM``.
        out_channels (int): Channels of the ``ViTSAM`` reduction; 0 for none,
            which is what a feature pyramid wants.
        **kwargs: Arguments of ``ViTSAM``, e.g. ``img_size``,
            ``drop_path_rate`` or ``window_size``.
    """

    def __init__(
        self, arch: str | dict = 'base', out_channels: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(arch, out_channels=out_channels, **kwargs)

    def _prepare_pos_embed(
        self, state_dict: dict[str, Tensor], prefix: str, *args: Any
    ) -> None:
        name = f'{prefix}pos_embed'
        embedding = state_dict.get(name)
        if embedding is None:
            return
        if embedding.ndim == 3:
            # (1, extra + h * h, C) -> (1, h, h, C), extra tokens come first
            side = isqrt(embedding.shape[1])
            embedding = embedding[:, embedding.shape[1] - side**2 :]
            embedding = embedding.unflatten(1, (side, side))
        if embedding.shape != self.pos_embed.shape:
            resampled = F.interpolate(
                embedding.permute(0, 3, 1, 2),
                size=self.pos_embed.shape[1:3],
                mode=self.interpolate_mode,
                align_corners=False,
            )
            embedding = resampled.permute(0, 2, 3, 1)
        state_dict[name] = embedding

    def get_layer_depth(
        self, param_name: str, prefix: str = ''
    ) -> tuple[int, int]:
        """Return where a parameter stands for layer-wise decay.

        Args:
            param_name (str): Name of the parameter in the whole model.
            prefix (str): Prefix of the backbone in the whole model.

        Returns:
            tuple[int, int]: Its depth, 0 for the embedding and i + 1 for block
            i, and the number of depths.
        """
        num_depths = self.num_layers + 2
        name = param_name.removeprefix(prefix)
        if name.startswith(('patch_embed', 'pos_embed')):
            return 0, num_depths
        if name.startswith('layers.'):
            return int(name.split('.')[1]) + 1, num_depths
        return num_depths - 1, num_depths
