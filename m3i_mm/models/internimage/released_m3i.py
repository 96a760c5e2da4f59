"""M3I with InternImage, from the authors' files.

The released InternImage-H and -G carry what pre-training left: the fusion of
the last two stages (``dcnv3_head_x4``, ``dcnv3_head_x3``) and the attention
pooling (``clip_projector``). Here they are the neck and the pooling decoders.
The way back is ``tools/model_converters/internimage.py --style official``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmengine.logging import print_log
from torch import Tensor, nn

from m3i_mm.checkpoints.reading import CheckpointError, read_checkpoint

from .released_names import (
    BACKBONE_PARTS,
    official_names,
    part_of,
)

__all__ = ['load_official_internimage', 'm3i_names']

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


def load_official_internimage(
    model: nn.Module, filename: str, decoders: Sequence[str] = ('text',)
) -> None:
    """Start an M3I model from an InternImage file of the authors.

    Args:
        model (nn.Module): M3I with an ``InternImage`` backbone.
        filename (str): Local path or URL of the file.
        decoders (Sequence[str]): See :func:`m3i_names`.

    Raises:
        CheckpointError: If a part of the backbone is not in the file, or
            nothing of the file fits.
    """
    state = m3i_names(official_names(read_checkpoint(filename)), decoders)
    own = model.state_dict()
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name in own and own[name].shape == tensor.shape
    }
    missing = [
        name
        for name in own
        if name.startswith('backbone.') and name not in fitting
    ]
    if missing:
        raise CheckpointError(
            f'{filename} does not fit the backbone of the model: {missing[0]} '
            f'and {len(missing) - 1} more parameters are missing or have '
            'another shape'
        )
    model.load_state_dict({**own, **fitting})
    left = sorted({name.split('.')[0] for name in state.keys() - fitting})
    print_log(
        f'{filename}: {len(fitting)} tensors loaded, '
        f'{len(state) - len(fitting)} left out {left or ""}',
        logger='current',
    )
