"""From training checkpoints to files that others load.

A training checkpoint of M3I holds the image encoder, its momentum average,
decoders, targets and the optimizer's state. Downstream work needs one of the
encoders, under names that it can load without renaming.
"""

from __future__ import annotations

import hashlib
import os
import os.path as osp
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from m3i_mm.version import __version__

from .comparing import compare
from .errors import CheckpointError, errors_about
from .fitting import weights_of
from .reading import read_checkpoint

__all__ = ['FORMATS', 'PARTS', 'average_checkpoints', 'extract', 'publish']

# part -> names of its weights in M3I; the group is the name in the file
PARTS = {
    'student': r'^((?:backbone|neck)\..+)',
    'momentum': r'^momentum_encoder\.((?:backbone|neck)\..+)',
    'text': r'^objectives\.\w+\.target\.(text_encoder\..+)',
}
FORMATS = ('mmpretrain', 'backbone', 'safetensors')


def extract(
    state_dict: dict[str, Tensor], part: str, with_prefix: bool = True
) -> dict[str, Tensor]:
    """Take one encoder out of the weights of M3I.

    Args:
        state_dict (dict[str, Tensor]): All weights.
        part (str): ``'student'``, the trained image encoder, ``'momentum'``,
            its average, or ``'text'``.
        with_prefix (bool): Keep ``backbone.``, ``neck.`` or ``text_encoder.``
            in the names; without it a neck is left out. Defaults to True.

    Returns:
        dict[str, Tensor]: The weights of the encoder.

    Raises:
        CheckpointError: If there are none.
    """
    found = {}
    for name, value in state_dict.items():
        match = re.match(PARTS[part], name)
        if match and (with_prefix or not match[1].startswith('neck.')):
            short = match[1] if with_prefix else match[1].split('.', 1)[1]
            found[short] = value.contiguous()
    if not found:
        there = [
            other
            for other, pattern in PARTS.items()
            if any(re.match(pattern, name) for name in state_dict)
        ]
        raise CheckpointError(
            f'The checkpoint has no part {part!r}; it has '
            f'{" and ".join(map(repr, there)) or "none of M3I"}'
        )
    return found


def publish(
    checkpoint: str, out: str, part: str = 'student', format: str = 'backbone'
) -> str:
    """Write one encoder of a training checkpoint to a file of its own.

    =========== ======================= =====================================
    format      names                   loads by
    =========== ======================= =====================================
    backbone    as in the backbone      ``init_cfg`` of a backbone, here and
                                        in any OpenMMLab project
    safetensors as in the backbone      the same, and other libraries
    mmpretrain  ``backbone.*, neck.*``  the same, and ``load_from`` of a
                                        classifier with ``new_weights='head'``
    =========== ======================= =====================================

    The optimizer, the log and everything else of the training is left out,
    and the file can be read without trusting it.

    Args:
        checkpoint (str): The training checkpoint.
        out (str): Path of the result; its ending is replaced by the first 8
            digits of the content's SHA-256 and the format's suffix.
        part (str): See :func:`extract`. Defaults to ``'student'``.
        format (str): See the table. Defaults to ``'backbone'``.

    Returns:
        str: The path of the file.

    Raises:
        CheckpointError: If the checkpoint does not hold the part.
    """
    content = read_checkpoint(checkpoint)
    state_dict = weights_of(content)
    meta = content.get('meta', {})
    with errors_about(checkpoint):
        weights = extract(state_dict, part, format == 'mmpretrain')
    facts = {
        'm3i_mm_version': __version__,
        'part': part,
        'source': osp.basename(checkpoint),
        **{key: str(meta[key]) for key in ('epoch', 'iter') if key in meta},
    }
    os.makedirs(osp.dirname(osp.abspath(out)), exist_ok=True)
    stem = osp.splitext(out)[0]
    suffix = '.safetensors' if format == 'safetensors' else '.pth'
    draft = f'{stem}-unnamed{suffix}'
    _save(weights, facts, draft)
    path = f'{stem}-{_sha256(draft)[:8]}{suffix}'
    os.replace(draft, path)
    return path


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _save(weights: dict[str, Tensor], meta: dict[str, Any], path: str) -> None:
    if path.endswith('.safetensors'):
        from safetensors.torch import save_file

        # it makes files that nobody else may read
        open(path, 'wb').close()
        mode = os.stat(path).st_mode
        # Other libraries look for the key `format`
        save_file(weights, path, metadata={'format': 'pt', **meta})
        os.chmod(path, mode)
    else:
        torch.save(dict(meta=meta, state_dict=weights), path)


def average_checkpoints(checkpoints: Sequence[str], out: str) -> None:
    """Average the weights of checkpoints of one training.

    The mean is taken in float64. What is no floating-point number, as a step
    counter, comes from the last checkpoint.

    Args:
        checkpoints (Sequence[str]): At least two files.
        out (str): The result, weights only.

    Raises:
        CheckpointError: If weights differ in name or shape.
    """
    total: dict[str, Tensor] = {}
    for path in checkpoints:
        weights = weights_of(read_checkpoint(path))
        if not all(isinstance(w, Tensor) for w in weights.values()):
            raise CheckpointError(f'{path} holds no weights of a model')
        if not total:
            total = {
                key: torch.zeros_like(
                    w, dtype=torch.double if w.is_floating_point() else None
                )
                for key, w in weights.items()
            }
        comparison = compare(total, weights)
        if len(comparison.matched) < len(total | weights):
            raise CheckpointError(
                f'{path} cannot be averaged with {checkpoints[0]}: '
                f'{comparison.describe(total | weights)}'
            )
        for key, value in weights.items():
            if value.is_floating_point():
                total[key] += value.double() / len(checkpoints)
            else:
                total[key] = value
    averaged = {key: total[key].to(w.dtype) for key, w in weights.items()}
    sources = [osp.basename(path) for path in checkpoints]
    _save(averaged, dict(averaged=', '.join(sources)), out)
