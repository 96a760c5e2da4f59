"""M3I with InternImage, from the authors' files.

The released InternImage-H and -G carry what pre-training left: the fusion of
the last two stages (``dcnv3_head_x4``, ``dcnv3_head_x3``) and the attention
pooling (``clip_projector``). Here they are the neck and the pooling decoders.
``tools/model_converters/internimage.py --style m3i`` writes a file that M3I
loads by ``load_from``, ``--style official`` the way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from .released_names import BACKBONE_PARTS, part_of

__all__ = ['m3i_names']

FUSION = ('dcnv3_head_x4', 'dcnv3_head_x3')
POOLING = 'clip_projector'


def m3i_names(
    official: Mapping[str, Tensor], decoders: Sequence[str] = ('text',)
) -> dict[str, Tensor]:
    """Give tensors with official names the names of an M3I model.

    Args:
        official (Mapping[str, Tensor]): Tensors under official names.
        decoders (Sequence[str]): The decoders that pool by attention; each
            gets the weights of the pooling. Defaults to ``('text', )``.

    Returns:
        dict[str, Tensor]: The tensors that M3I has a place for; the
        classifier is left out.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in official.items():
        part = part_of(name)
        if part in BACKBONE_PARTS:
            renamed[f'backbone.{name}'] = tensor
        elif part in FUSION:
            renamed[f'neck.{name}'] = tensor
        elif part == POOLING:
            rest = name.removeprefix(f'{POOLING}.')
            for decoder in decoders:
                renamed[f'decoders.{decoder}.pool.{rest}'] = tensor
    return renamed
