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
M3I here          ``state_dict``                         ``backbone.*``,
                                                         ``neck.*``,
                                                         ``decoders.text.*``
================  =====================================  ===================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from m3i_mm.checkpoints.errors import CheckpointError
from m3i_mm.checkpoints.fitting import TEACHER

from .archs import ARCHS

__all__ = [
    'ANCHOR',
    'BACKBONE_PARTS',
    'classifier_names',
    'describe',
    'official_names',
    'part_of',
    'unwrap',
]

BACKBONE_PARTS = ('patch_embed', 'levels')
HEAD_PARTS = (
    'conv_head',
    'dcnv3_head_x4',
    'dcnv3_head_x3',
    'clip_projector',
    'fc_norm',
    'head',
    # of iNaturalist
    'meta_head_1',
    'meta_head_2',
    'meta_norm',
    'meta_head',
)
# The name by which a file is recognised, and by which its prefix is found.
ANCHOR = 'patch_embed.conv1.weight'
RENAMES = (
    (re.compile(r'\.layer_scale([12])$'), r'.gamma\1'),
    (re.compile(r'^(?:clip\.classifier_ln|fc_norm)\.(?=\D)'), 'fc_norm.0.'),
    (re.compile(r'^clip\.classifier\.'), 'head.'),
    (re.compile(r'^head\.fc\.'), 'head.'),
    (re.compile(r'^head\.(?=meta_)'), ''),
    # M3I's decoder of texts is what the authors kept of pre-training
    (re.compile(r'^decoders\.text\.pool\.'), 'clip_projector.'),
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
    **dict.fromkeys(
        ('meta_head_1', 'meta_head_2', 'meta_norm', 'meta_head'), 'head.'
    ),
}


def part_of(name: str) -> str:
    """Name the part of the network that a parameter belongs to.

    Args:
        name (str): For example ``'levels.0.norm.0.weight'``.

    Returns:
        str: For example ``'levels'``.
    """
    return name.split('.')[0]


def unwrap(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Find the parameters in what a file holds.

    Args:
        checkpoint (Mapping): Content of a file.

    Returns:
        dict[str, Tensor]: The innermost dictionary of tensors.
    """
    for key in ('state_dict', 'model', 'module'):
        inner = checkpoint.get(key)
        if isinstance(inner, Mapping):
            return unwrap(inner)
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
    tensors = unwrap(checkpoint)
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
        if part_of(name) in BACKBONE_PARTS + HEAD_PARTS:
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
