"""Fit the content of a checkpoint to an InternImage that loads it.

They are called by load hooks of the modules, so every way of loading passes
here: ``init_cfg``, ``load_from``, ``load_checkpoint``, ``load_state_dict``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor

from m3i_mm.checkpoints.comparing import compare
from m3i_mm.checkpoints.errors import CheckpointError

from .released_names import (
    ANCHOR,
    classifier_names,
    describe,
    official_names,
    part_of,
    unwrap,
)

__all__ = ['adapt_to_backbone', 'adapt_to_classifier']


def adapt_to_backbone(
    own: Mapping[str, Tensor],
    state_dict: MutableMapping[str, Any],
    prefix: str,
) -> str:
    """Rename, in place, the entries of a file for a backbone.

    Args:
        own (Mapping[str, Tensor]): Parameters of the backbone.
        state_dict (MutableMapping): What the file holds for it. On return it
            has exactly the parameters of the backbone.
        prefix (str): Prefix of the backbone within the loaded model.

    Returns:
        str: What was matched, renamed and left out; empty if the file has the
        names of the backbone.

    Raises:
        CheckpointError: If nothing or only a part of the backbone is there,
            or belongs to another variant.
    """
    entries = _under(state_dict, prefix)
    if not entries and prefix:
        raise CheckpointError(
            f'The checkpoint has nothing under {prefix!r}. If it is a '
            'backbone or a classifier, load it by init_cfg=dict(type='
            "'Pretrained', checkpoint=...) of the backbone, not by load_from"
        )
    comparison = compare(own, entries)
    if len(comparison.matched) == len(own) == len(entries):
        return ''
    official = official_names(entries)
    # A composite backbone leaves out the stem of its second network.
    parts = {part_of(name) for name in own}
    found = {k: v for k, v in official.items() if part_of(k) in parts}
    scale_added = _add_layer_scale(own, found)
    _check(own, found)
    for name in entries:
        del state_dict[prefix + name]
    state_dict.update({prefix + name: found[name] for name in own})
    return _report(unwrap(entries), official, found, scale_added)


def _under(state_dict: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value
        for name, value in state_dict.items()
        if name.startswith(prefix)
    }


def adapt_to_classifier(
    state_dict: MutableMapping[str, Any], prefix: str
) -> str:
    """Rename, in place, the entries of a file for a classifier.

    Args:
        state_dict (MutableMapping): What the file holds.
        prefix (str): Prefix of the classifier within the loaded model.

    Returns:
        str: As :func:`adapt_to_backbone`.

    Raises:
        CheckpointError: If the file holds no InternImage, or several.
    """
    if f'{prefix}backbone.{ANCHOR}' in state_dict:
        return ''
    entries = _under(state_dict, prefix)
    official = official_names(entries)
    renamed = classifier_names(official)
    for name in entries:
        del state_dict[prefix + name]
    state_dict.update({prefix + k: v for k, v in renamed.items()})
    return _report(unwrap(entries), official, official)


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
    comparison = compare(own, found)
    problems = comparison.describe({**own, **found})
    if not problems:
        return
    surplus = comparison.left_over
    if surplus and all('.gamma' in name for name in surplus):
        problems += '. Give the model a layer scale: layer_scale=1.0'
    raise CheckpointError(
        f'The checkpoint looks like {describe(found)} and does not fit the '
        f'InternImage, which is {describe(own)}: {problems}'
    )


def _report(
    tensors: Mapping[str, Tensor],
    official: Mapping[str, Tensor],
    used: Mapping[str, Tensor],
    scale_added: bool = False,
) -> str:
    """Say what was matched, renamed and left out."""
    known = {id(tensor) for tensor in official.values()}
    matched = [name for name in official if name in used]
    renamed = sum(name not in tensors for name in matched)
    left_out = [name for name in official if name not in used]
    left_out += [n for n, tensor in tensors.items() if id(tensor) not in known]
    parts = Counter(map(part_of, left_out))
    listed = ', '.join(f'{part} ({count})' for part, count in parts.items())
    message = (
        f'InternImage: {len(matched)} tensors matched, {renamed} of them '
        f'renamed; left out: {listed or "nothing"}'
    )
    if scale_added:
        message += '; layer scale, which the file has not, is 1'
    return message
