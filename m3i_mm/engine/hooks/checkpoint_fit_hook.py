"""Refuse a checkpoint that belongs to another model."""

from __future__ import annotations

import re
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

from m3i_mm.checkpoints.reading import CheckpointError

from ...registry import HOOKS

__all__ = ['CheckpointFitHook', 'require_fit']


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Compare a checkpoint with the model before its weights are loaded.

    MMEngine loads what fits and warns about the rest, so the checkpoint of
    another model gives an untrained one. Here it is an error if nothing fits,
    and if anything is missing or differs in shape when a training is resumed.

    Raises:
        CheckpointError: Names the model, a parameter and what the checkpoint
            has instead.
    """

    # After hooks that rearrange a checkpoint
    priority = 'LOWEST'

    def after_load_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Check the names and shapes of the weights.

        Args:
            runner (Runner): The runner that loads the checkpoint.
            checkpoint (dict): The file's content.
        """
        model = runner.model
        # Only FSDP itself puts its shards together, on the first process
        if is_model_wrapper(model) and not isinstance(
            model, FullyShardedDataParallel
        ):
            model = model.module
        require_fit(model, checkpoint, runner.cfg.get('resume', False))


def require_fit(
    model: nn.Module, checkpoint: dict[str, Any], complete: bool
) -> None:
    """Check that a checkpoint is one of this model.

    Args:
        model (nn.Module): The model.
        checkpoint (dict): The file's content.
        complete (bool): Whether every weight must fit, or any is enough.

    Raises:
        CheckpointError: Names the model, a parameter and what the checkpoint
            has instead.
    """
    given = {
        re.sub('^module.', '', name): tuple(value.shape)
        for name, value in _weights(model, checkpoint).items()
        if hasattr(value, 'shape')
    }
    wanted = {
        name: tuple(value.shape) for name, value in model.state_dict().items()
    }
    differing = [
        name for name, shape in wanted.items() if given.get(name) != shape
    ]
    if not differing or (not complete and len(differing) < len(wanted)):
        return
    example = differing[0]
    found = given.get(example, 'nothing')
    raise CheckpointError(
        f'The checkpoint is of another model: of {len(wanted)} weights '
        f'of {type(model).__name__} it fits '
        f'{len(wanted) - len(differing)}. {example!r} has the shape '
        f'{wanted[example]}, in the checkpoint it is {found}. '
        f'The first names there: {", ".join(list(given)[:3])}'
    )


def _weights(model: nn.Module, checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The weights under the names that the model will be given.

    A backbone may know the names of its authors' files; MMPretrain's models
    ask it to rename them, by this method, when they load.
    """
    weights = dict(checkpoint.get('state_dict', checkpoint))
    backbone = getattr(model, 'backbone', None)
    rename = getattr(backbone, '_checkpoint_filter', None)
    if rename is not None:
        rename(weights, '', {}, False, [], [], [])
    return weights
