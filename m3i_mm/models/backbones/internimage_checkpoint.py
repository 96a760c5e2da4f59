"""Names of InternImage's parameters in the files that people have.

The *official* names are those of the authors' classification files, without
any prefix; the backbone uses the same. Everything else is turned into them:

================  =====================================  ===================
file              wrapped in                             names
================  =====================================  ===================
classification    ``model``                              official
detection, seg.   ``state_dict``                         ``backbone.*``
Hugging Face      -                                      ``model.*``,
                                                         ``layer_scale1``
DeepSpeed         ``module``                             official
raw M3I           -                                      ``dcnv3.*``
MMPretrain        ``state_dict``                         ``backbone.*``,
                                                         ``neck.*``, ``head``
================  =====================================  ===================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from m3i_mm.utils.checkpoint import CheckpointError

from .internimage_archs import ARCHS

__all__ = [
    'adapt_to_backbone',
    'adapt_to_classifier',
    'classifier_names',
    'describe',
    'fits',
    'official_names',
]

BACKBONE_PARTS = ('patch_embed', 'levels')
HEAD_PARTS = (
    'conv_head',
    'dcnv3_head_x4',
    'dcnv3_head_x3',
    'clip_projector',
    'fc_norm',
    'head',
)
# The name by which a file is recognised, and by which its prefix is found.
ANCHOR = 'patch_embed.conv1.weight'
TEACHER = re.compile(r'(^|[._])(mm|momentum|ema|teacher|target)([._]|$)')
RENAMES = (
    (re.compile(r'\.layer_scale([12])$'), r'.gamma\1'),
    (re.compile(r'^(?:clip\.classifier_ln|fc_norm)\.(?=\D)'), 'fc_norm.0.'),
    (re.compile(r'^clip\.classifier\.'), 'head.'),
    (re.compile(r'^head\.fc\.'), 'head.'),
    (
        re.compile(r'^neck\.(?:\d+\.)?(?=conv_head|dcnv3_|clip_proj|fc_norm)'),
        '',
    ),
)
CLASSIFIER_PREFIXES = {
    **dict.fromkeys(BACKBONE_PARTS, 'backbone.'),
    'conv_head': 'neck.',
    'dcnv3_head_x4': 'neck.0.',
    'dcnv3_head_x3': 'neck.0.',
    'clip_projector': 'neck.1.',
    'fc_norm': 'neck.1.',
}


def _unwrap(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The innermost dictionary of tensors."""
    for key in ('state_dict', 'model', 'module'):
        inner = checkpoint.get(key)
        if isinstance(inner, Mapping):
            return _unwrap(inner)
    return {k: v for k, v in checkpoint.items() if isinstance(v, Tensor)}


def _find_prefix(names: Iterable[str]) -> str:
    """What stands before the names of the (online) InternImage."""
    names = list(names)
    found = [
        name.removesuffix(ANCHOR)
        for name in names
        if name == ANCHOR or name.endswith(f'.{ANCHOR}')
    ]
    if not found:
        raise CheckpointError(
            'The checkpoint holds no InternImage: no name ends with '
            f'{ANCHOR!r}. Its first names are {names[:5]}'
        )
    online = [prefix for prefix in found if not TEACHER.search(prefix)]
    online.sort(key=lambda prefix: prefix.count('.'))
    if not online or (
        len(online) > 1 and online[0].count('.') == online[1].count('.')
    ):
        raise CheckpointError(
            f'The checkpoint holds several InternImages ({found}); choose '
            "one by init_cfg=dict(type='Pretrained', ..., prefix=...)"
        )
    return online[0]


def official_names(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Give the tensors of a file their official names.

    Args:
        checkpoint (Mapping): What a file holds, of any kind listed above.

    Returns:
        dict[str, Tensor]: Backbone and classifier head; everything else, such
        as detection heads, optimiser and momentum network, is left out.

    Raises:
        CheckpointError: If it holds no InternImage, or several.
    """
    tensors = _unwrap(checkpoint)
    prefix = _find_prefix(tensors)
    # Necks and heads of MMPretrain are siblings of ``backbone.``
    outer = prefix.removesuffix('backbone.')
    official = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
        else:
            name = name.removeprefix(outer)
        for pattern, replacement in RENAMES:
            name = pattern.sub(replacement, name)
        if name.split('.')[0] in BACKBONE_PARTS + HEAD_PARTS:
            official[name] = tensor
    return official


def classifier_names(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename for :func:`m3i_mm.models.build_internimage_classifier`.

    Args:
        official (Mapping[str, Tensor]): Tensors under official names.

    Returns:
        dict[str, Tensor]: The same tensors under MMPretrain's names.
    """
    renamed = {}
    for name, tensor in official.items():
        part, rest = name.split('.', 1)
        prefix = CLASSIFIER_PREFIXES.get(part)
        renamed[f'head.fc.{rest}' if prefix is None else prefix + name] = (
            tensor
        )
    return renamed


def describe(official: Mapping[str, Tensor]) -> str:
    """Say which size the parameters look like.

    Args:
        official (Mapping[str, Tensor]): Tensors under official names.

    Returns:
        str: For example ``"'tiny' (64 channels, depths 4-4-18-4)"``.
    """
    stem = official.get('patch_embed.conv2.weight')
    channels = 0 if stem is None else len(stem)
    blocks = {tuple(k.split('.')[1:4:2]) for k in official if '.blocks.' in k}
    counts = Counter(stage for stage, _ in blocks)
    depths = tuple(counts[stage] for stage in sorted(counts))
    name = next(
        (
            repr(name)
            for name, arch in ARCHS.items()
            if (arch.channels, arch.depths) == (channels, depths)
        ),
        'no published size',
    )
    return f'{name} ({channels} channels, depths {"-".join(map(str, depths))})'


def fits(
    own: Mapping[str, Tensor], state_dict: Mapping[str, Any], prefix: str
) -> bool:
    """Whether a file already has a backbone's names and shapes.

    Args:
        own (Mapping[str, Tensor]): Parameters of the backbone.
        state_dict (Mapping): What the file holds.
        prefix (str): Prefix of the backbone within the loaded model.

    Returns:
        bool: True if nothing is missing, surplus or of another shape.
    """
    shapes = {prefix + name: tensor.shape for name, tensor in own.items()}
    return shapes == {
        name: getattr(value, 'shape', None)
        for name, value in state_dict.items()
        if name.startswith(prefix)
    }


def adapt_to_backbone(
    own: Mapping[str, Tensor],
    state_dict: MutableMapping[str, Any],
    prefix: str,
) -> None:
    """Rename, in place, the entries of a file for a backbone.

    Args:
        own (Mapping[str, Tensor]): Parameters of the backbone.
        state_dict (MutableMapping): What the file holds for it. On return it
            has exactly the parameters of the backbone.
        prefix (str): Prefix of the backbone within the loaded model.

    Raises:
        CheckpointError: If nothing or only a part of the backbone is there,
            or belongs to another variant.
    """
    entries = {
        name.removeprefix(prefix): value
        for name, value in state_dict.items()
        if name.startswith(prefix)
    }
    if not entries and prefix:
        raise CheckpointError(
            f'The checkpoint has nothing under {prefix!r}. If it is a '
            'backbone or a classifier, load it by init_cfg=dict(type='
            "'Pretrained', checkpoint=...) of the backbone, not by load_from"
        )
    official = official_names(entries)
    # A composite backbone leaves out the stem of its second network.
    parts = {_part(name) for name in own}
    found = {k: v for k, v in official.items() if _part(k) in parts}
    scale_added = _add_layer_scale(own, found)
    _check(own, found)
    for name in entries:
        del state_dict[prefix + name]
    state_dict.update({prefix + name: found[name] for name in own})
    _report(_unwrap(entries), official, found, scale_added)


def adapt_to_classifier(
    state_dict: MutableMapping[str, Any], prefix: str
) -> None:
    """Rename, in place, the entries of a file for a classifier.

    Args:
        state_dict (MutableMapping): What the file holds.
        prefix (str): Prefix of the classifier within the loaded model.
    """
    if f'{prefix}backbone.{ANCHOR}' in state_dict:
        return
    entries = {
        name.removeprefix(prefix): value
        for name, value in state_dict.items()
        if name.startswith(prefix)
    }
    official = official_names(entries)
    renamed = classifier_names(official)
    for name in entries:
        del state_dict[prefix + name]
    state_dict.update({prefix + k: v for k, v in renamed.items()})
    _report(_unwrap(entries), official, official)


def _part(name: str) -> str:
    return name.split('.')[0]


def _add_layer_scale(
    own: Mapping[str, Tensor], found: dict[str, Tensor]
) -> bool:
    """A network without layer scale is one whose layer scale is 1."""
    scales = [name for name in own if re.search(r'\.gamma[12]$', name)]
    if not scales or any(name in found for name in scales):
        return False
    found.update({name: torch.ones_like(own[name]) for name in scales})
    return True


def _check(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    missing = [name for name in own if name not in found]
    surplus = [name for name in found if name not in own]
    unequal = [
        f'{name} {tuple(found[name].shape)}, not {tuple(tensor.shape)}'
        for name, tensor in own.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if not (missing or surplus or unequal):
        return
    problems = {
        'It lacks': missing,
        'It has, and the model has not,': surplus,
        'Of another shape are': unequal,
    }
    text = '. '.join(
        f'{problem} {len(names)} parameters: {", ".join(names[:3])} ...'
        for problem, names in problems.items()
        if names
    )
    if surplus and all('.gamma' in name for name in surplus):
        text += '. Give the model a layer scale: layer_scale=1.0'
    raise CheckpointError(
        f'The checkpoint looks like {describe(found)} and does not fit the '
        f'InternImage, which is {describe(own)}. {text}'
    )


def _report(
    tensors: Mapping[str, Tensor],
    official: Mapping[str, Tensor],
    used: Mapping[str, Tensor],
    scale_added: bool = False,
) -> None:
    """Log what was matched, renamed and left out."""
    known = {id(tensor) for tensor in official.values()}
    matched = [name for name in official if name in used]
    renamed = sum(name not in tensors for name in matched)
    left_out = [name for name in official if name not in used]
    left_out += [n for n, tensor in tensors.items() if id(tensor) not in known]
    parts = Counter(map(_part, left_out))
    listed = ', '.join(f'{part} ({count})' for part, count in parts.items())
    message = (
        f'InternImage: {len(matched)} tensors matched, {renamed} of them '
        f'renamed; left out: {listed or "nothing"}'
    )
    if scale_added:
        message += '; layer scale, which the file has not, is 1'
    print_log(message, logger='current')
