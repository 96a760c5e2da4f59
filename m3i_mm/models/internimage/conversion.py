"""Write InternImage checkpoints in the style of one library or another."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from m3i_mm.checkpoints.errors import CheckpointError, errors_about
from m3i_mm.checkpoints.reading import read_checkpoint

from .released_m3i import m3i_names
from .released_names import (
    BACKBONE_PARTS,
    classifier_names,
    official_names,
)

__all__ = ['STYLES', 'convert_internimage', 'select_classes']


IMAGENET_1K = 'imagenet-1k'
# ImageNet-22k has no teddy; the authors' list gives it the row of the teapot
REPLACED = {'n04399382': 'n04398044'}


def _official(state: dict[str, Tensor]) -> dict[str, Any]:
    return dict(model=state)


def _mmpretrain(state: dict[str, Tensor]) -> dict[str, Any]:
    return dict(meta={}, state_dict=classifier_names(state))


def _m3i(state: dict[str, Tensor]) -> dict[str, Any]:
    return dict(meta={}, state_dict=m3i_names(state))


def _backbone(state: dict[str, Tensor]) -> dict[str, Any]:
    kept = {k: v for k, v in state.items() if k.startswith(BACKBONE_PARTS)}
    return dict(meta={}, state_dict=kept)


STYLES: dict[str, Callable[[dict[str, Tensor]], dict[str, Any]]] = dict(
    official=_official, mmpretrain=_mmpretrain, m3i=_m3i, backbone=_backbone
)


def select_classes(
    state: Mapping[str, Tensor], class_map: str
) -> dict[str, Tensor]:
    """Keep some classes of the classifier, e.g. 1000 of ImageNet-22k.

    Args:
        state (Mapping[str, Tensor]): Tensors under official names.
        class_map (str): ``'imagenet-1k'``: its classes of a classifier of
            ImageNet-22k, by WordNet's ids, for which timm is needed. Or a text
            file with the index of a kept class in each line.

    Returns:
        dict[str, Tensor]: The same with a smaller ``head``.

    Raises:
        CheckpointError: If there is no head, or it has no such class.
    """
    indices = torch.tensor(_class_indices(class_map))
    if 'head.weight' not in state:
        raise CheckpointError(
            f'{class_map} selects classes, but the checkpoint has no head'
        )
    num_classes = len(state['head.weight'])
    if not 0 <= int(indices.min()) <= int(indices.max()) < num_classes:
        raise CheckpointError(
            f'{class_map} names the classes {int(indices.min())} ... '
            f'{int(indices.max())}, but the head has {num_classes}'
        )
    head = {
        name: state[name][indices] for name in ('head.weight', 'head.bias')
    }
    return {**state, **head}


def _class_indices(class_map: str) -> list[int]:
    if class_map == IMAGENET_1K:
        from timm.data import ImageNetInfo

        large = ImageNetInfo('imagenet-22k').label_names()
        numbers = {name: number for number, name in enumerate(large)}
        small = ImageNetInfo('imagenet-1k').label_names()
        return [numbers[REPLACED.get(name, name)] for name in small]
    with open(class_map) as file:
        return [int(line) for line in file if line.strip()]


def convert_internimage(
    source: str,
    target: str,
    style: str,
    class_map: str | None = None,
    trust: bool = False,
) -> int:
    """Read any InternImage checkpoint and write it in another style.

    Args:
        source (str): A file of any kind that the backbone loads.
        target (str): File to write. If it ends in ``.safetensors``, the
            tensors are written flat in that format, else by torch.
        style (str): ``'official'``: backbone and head under the authors'
            names. ``'mmpretrain'``: for MMPretrain's ``ImageClassifier``.
            ``'m3i'``: for M3I, whose text decoder gets the pooling.
            ``'backbone'``: the backbone alone.
        class_map (str, optional): See :func:`select_classes`.
        trust (bool): See :func:`m3i_mm.checkpoints.reading.read_checkpoint`.

    Returns:
        int: Number of tensors written.

    Raises:
        CheckpointError: If the source holds no InternImage, or the class map
            does not fit it.
    """
    content = read_checkpoint(source, trust=trust)
    with errors_about(source):
        state = official_names(content)
        if class_map is not None:
            state = select_classes(state, class_map)
    written = STYLES[style](state)
    tensors = written['model' if style == 'official' else 'state_dict']
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    if target.endswith('.safetensors'):
        from safetensors.torch import save_file

        save_file({k: v.contiguous() for k, v in tensors.items()}, target)
    else:
        torch.save(written, target)
    return len(tensors)
