"""Names of the authors' detectors and segmentors in MMDetection 3 and MMSeg 1.

InternImage's released detectors and segmentors were trained with
MMDetection 2 and MMSegmentation 0. Mask R-CNN, Cascade Mask R-CNN and UPerNet
kept their parameter names, DINO and Mask2Former did not. The backbone has the
official names here as well.

One ordered table serves all models, because no name means one thing in one
model and something else in another. Load hooks of the models that were renamed
use it, so the released files load as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor

from m3i_mm.checkpoints.comparing import compare
from m3i_mm.checkpoints.errors import CheckpointError
from m3i_mm.checkpoints.fitting import weights_of

__all__ = ['adapt_to_model', 'check_names', 'convert_downstream']

RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # The released configs of composite backbones give a list of one neck.
        (r'^neck\.0\.', 'neck.'),
        # composite backbone
        (r'^backbone\.cb_modules\.0\.', 'backbone.assistant.'),
        (
            r'^backbone\.cb_modules\.1\.gamma(\d)$',
            r'backbone.fusions.\1.gamma',
        ),
        (r'^backbone\.cb_modules\.1\.', 'backbone.lead.'),
        (
            r'^backbone\.cb_linears\.(\d)\.',
            r'backbone.fusions.\1.projections.',
        ),
        # DINO
        (
            r'^bbox_head\.label_embedding\.',
            'dn_query_generator.label_embedding.',
        ),
        (r'^bbox_head\.transformer\.', ''),
        (r'^level_embeds$', 'level_embed'),
        (r'^enc_output\.', 'memory_trans_fc.'),
        (r'^enc_output_norm\.', 'memory_trans_norm.'),
        (r'^query_embed\.', 'query_embedding.'),
        (r'^decoder\.ref_point_head\.0\.', 'decoder.ref_point_head.layers.0.'),
        (r'^decoder\.ref_point_head\.2\.', 'decoder.ref_point_head.layers.1.'),
        # the Transformers of DINO and of Mask2Former's pixel decoder
        (r'((?:^|\.)encoder\.layers\.\d+)\.attentions\.0\.', r'\1.self_attn.'),
        (r'^(decoder\.layers\.\d+)\.attentions\.0\.', r'\1.self_attn.'),
        (r'^(decoder\.layers\.\d+)\.attentions\.1\.', r'\1.cross_attn.'),
        # Mask2Former attends to the image first
        (
            r'(transformer_decoder\.layers\.\d+)\.attentions\.0\.',
            r'\1.cross_attn.',
        ),
        (
            r'(transformer_decoder\.layers\.\d+)\.attentions\.1\.',
            r'\1.self_attn.',
        ),
        (r'(coder\.layers\.\d+)\.ffns\.0\.', r'\1.ffn.'),
    )
)
# InternImage-G's DINO splits the hidden layer of its feed-forward networks
SPLIT_FFN = re.compile(
    r'^(?P<ffn>.*\.ffn)\.fc(?P<layer>[12])_(?P<part>\d+|bias)\b'
)


def convert_downstream(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Give the tensors of a released detector or segmentor today's names.

    The factors of a composite backbone are rounded to half precision, because
    the released code rounds them each time it uses them.

    Args:
        checkpoint (Mapping): What the file holds: a state dict, or a
            dictionary with the key ``state_dict``.

    Returns:
        dict[str, Tensor]: State dict of the whole model. The buffers of
        MMDetection 2's moving average (``ema_*``) are left out; the weights
        beside them are the averaged ones.

    Raises:
        CheckpointError: If the file is no detector or segmentor, or a split
            feed-forward network is incomplete.
    """
    tensors = weights_of(checkpoint)
    if not any(name.startswith('backbone.') for name in tensors):
        raise CheckpointError(
            'The checkpoint is no detector or segmentor: no name starts with '
            f"'backbone.'. Its first names are {list(tensors)[:5]}"
        )
    return _convert(tensors)


def adapt_to_model(
    state_dict: MutableMapping[str, Any], prefix: str, part: str = ''
) -> None:
    """Rename, in place, the entries of a released file for a model.

    Entries that have today's names stay as they are.

    Args:
        state_dict (MutableMapping): What a file holds.
        prefix (str): Prefix of the module that loads, within the loaded model.
        part (str): The same within a detector or segmentor, e.g.
            ``'decode_head.'``. Defaults to the whole.

    Raises:
        CheckpointError: If a split feed-forward network is incomplete.
    """
    entries = {
        part + name.removeprefix(prefix): value
        for name, value in state_dict.items()
        if name.startswith(prefix)
    }
    if all(_rename(name) == name for name in entries):
        return
    for name in entries:
        del state_dict[prefix + name.removeprefix(part)]
    for name, value in _convert(entries).items():
        state_dict[prefix + name.removeprefix(part)] = value


def _rename(name: str) -> str:
    for pattern, replacement in RENAMES:
        name = pattern.sub(replacement, name)
    return name


def _convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    converted = {}
    for name, tensor in tensors.items():
        if name.startswith('ema_'):
            continue
        name = _rename(name)
        if name.startswith('backbone.fusions.') and name.endswith('.gamma'):
            tensor = tensor.half().float()
        converted[name] = tensor
    return _merge_split_ffns(converted)


def _merge_split_ffns(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    r"""Join feed-forward networks whose hidden layer is split into parts.

    .. math:: \sum_i W_{2,i}\,\sigma(W_{1,i} x + b_{1,i}) + b_2

    is one network with the :math:`W_{1,i}` stacked along the output and the
    :math:`W_{2,i}` along the input.
    """
    merged: dict[str, Tensor] = {}
    parts: dict[str, list[tuple[int, Tensor]]] = {}
    for name, tensor in state_dict.items():
        match = SPLIT_FFN.match(name)
        if match is None:
            merged[name] = tensor
        elif match['part'] == 'bias':
            merged[f'{match["ffn"]}.layers.1.bias'] = tensor
        else:
            layer = 'layers.0.0' if match['layer'] == '1' else 'layers.1'
            kind = name.rpartition('.')[2]
            target = f'{match["ffn"]}.{layer}.{kind}'
            parts.setdefault(target, []).append((int(match['part']), tensor))
    for target, numbered in parts.items():
        numbered.sort(key=lambda pair: pair[0])
        if [number for number, _ in numbered] != list(range(len(numbered))):
            raise CheckpointError(
                f'{target} is split into parts, of which the checkpoint has '
                f'only {[number for number, _ in numbered]}'
            )
        dim = 1 if target.endswith('.ffn.layers.1.weight') else 0
        merged[target] = torch.cat([tensor for _, tensor in numbered], dim)
    return merged


def check_names(
    state_dict: Mapping[str, Tensor], model: torch.nn.Module
) -> None:
    """Check that a state dict is exactly that of a model.

    Args:
        state_dict (Mapping[str, Tensor]): Converted weights.
        model (nn.Module): The model, which may be on the meta device.

    Raises:
        CheckpointError: If names are missing or left over or shapes differ. It
            tells the number of each and the first of them.
    """
    own = model.state_dict()
    problems = compare(own, state_dict).describe({**own, **state_dict})
    if problems:
        raise CheckpointError(
            f'The checkpoint is not that of this {type(model).__name__}: '
            f'{problems}. Check the size of the backbone and the number of '
            'classes of the config'
        )
