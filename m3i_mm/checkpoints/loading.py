"""Load trained weights into a model for use, and say what did not fit."""

from __future__ import annotations

import logging

from mmengine.logging import print_log
from torch import nn

from .reading import CheckpointError, load_from_http, read_checkpoint

__all__ = ['load_weights']


def load_weights(model: nn.Module, checkpoint: str) -> dict:
    """Load a checkpoint of which the image encoder must be complete.

    A pre-training checkpoint serves a classifier, a published student serves
    M3I: what only one side has is logged. A backbone that is not wholly in
    the file is an error, because its features would be those of random
    weights.

    Args:
        model (nn.Module): The model, changed in place.
        checkpoint (str): Path or ``http(s)://`` address.

    Returns:
        dict: The content of the checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If weights of the backbone are missing or differ in
            shape.
    """
    read = load_from_http if '://' in checkpoint else read_checkpoint
    content = read(checkpoint)
    weights = content.get('state_dict', content)
    name = type(model).__name__
    try:
        result = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise CheckpointError(
            f'{checkpoint} is of another model than {name}: {error}'
        ) from error
    prefix = 'backbone.' if hasattr(model, 'backbone') else ''
    lacking = [key for key in result.missing_keys if key.startswith(prefix)]
    if lacking:
        raise CheckpointError(
            f'{checkpoint} lacks {len(lacking)} weights of {name}, the first '
            f'is {lacking[0]!r}. The first names there: '
            f'{", ".join(list(weights)[:3])}'
        )
    for keys, what in (
        (result.missing_keys, 'not in the file, left as initialised'),
        (result.unexpected_keys, 'in the file, but not in the model'),
    ):
        if keys:
            parts = sorted({key.split('.')[0] for key in keys})
            print_log(
                f'{checkpoint}: {len(keys)} weights of {", ".join(parts)} '
                f'are {what}',
                logger='current',
                level=logging.WARNING,
            )
    return content
