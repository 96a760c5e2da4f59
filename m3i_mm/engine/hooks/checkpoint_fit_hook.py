"""Refuse a checkpoint that belongs to another model."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from torch import Tensor, nn

from m3i_mm.checkpoints.fitting import Fit, fit_weights, weights_of
from m3i_mm.registry import HOOKS
from m3i_mm.utils.wrappers import unwrap

from ..class_rows import classes_of, keep_class_rows

__all__ = ['CheckpointFitHook']


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Compare a checkpoint with the model before its weights are loaded.

    MMEngine loads what fits and warns about the rest, so the checkpoint of
    another model gives an untrained one. Here a weight that is missing or
    differs in shape is an error. A training that starts from ``load_from``
    may leave weights out, but only those that the config names::

        new_weights = ['head']  # names, prefixes or shell patterns

    and the rows of classes of its heads that the file does not have. Of
    classes in both, by the names that the file and the training set say, the
    rows are kept, wherever they stand. Both are logged. ``tools/train.py`` and
    ``tools/test.py`` add the hook.

    Raises:
        CheckpointError: Names the file, the model, what is missing or differs,
            and what to do.
    """

    # Other hooks expect the weights under the names of the model
    priority = 'VERY_HIGH'

    def after_load_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Check the weights, and give them the names of the model.

        Args:
            runner (Runner): The runner that loads the checkpoint.
            checkpoint (dict): The file's content; ``state_dict`` is replaced.
        """
        source = runner._load_from or 'The checkpoint'
        fit = fit_weights(runner.model, checkpoint)
        new_weights = runner.cfg.get('new_weights', ())
        rows: dict[str, Tensor] = {}
        if runner._resume:
            _check_teachers(runner.model, checkpoint)
            anew = fit.require(
                source,
                advice='A run is resumed with the config it was started with; '
                'load_from=FILE starts another one from its weights',
            )
        elif isinstance(getattr(runner, '_train_loop', None), BaseLoop):
            anew = fit.require(
                source,
                new_weights=new_weights,
                new_classes=True,
                advice='load_from fills the whole model but for what '
                '--cfg-options new_weights=NAME names; '
                'model.backbone.init_cfg.checkpoint fills the backbone',
            )
            rows = _keep_rows(runner, fit, checkpoint, source)
        else:
            anew = fit.require(
                source,
                new_weights=new_weights,
                advice='Take the config that it was trained with',
            )
        # what was said already is not for MMEngine to list once more
        left_over = set(fit.comparison.left_over)
        weights = OrderedDict(
            (name, value)
            for name, value in fit.tensors.items()
            if name not in left_over
        )
        weights.update((name, fit.own[name]) for name in anew)
        weights.update(rows)
        given = checkpoint.get('state_dict')
        weights._metadata = getattr(given, '_metadata', OrderedDict())  # type: ignore[attr-defined]
        checkpoint['state_dict'] = weights


def _keep_rows(
    runner: Any, fit: Fit, checkpoint: dict[str, Any], source: str
) -> dict[str, Tensor]:
    """Take over, by name, what the file knows of the classes of a training."""
    dataset = getattr(runner.train_dataloader, 'dataset', None)
    new = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    rows, said = keep_class_rows(fit, classes_of(checkpoint, source), new)
    if said:
        runner.logger.info(f'{source}: {said}')
    return rows


def _check_teachers(model: nn.Module, checkpoint: dict[str, Any]) -> None:
    """Hold the teachers that a checkpoint names against those of the model."""
    saved = weights_of(checkpoint)
    for name, module in unwrap(model).named_modules():
        check = getattr(module, 'check_identity', None)
        identity = saved.get(f'{name}.identity')
        if check is not None and identity is not None:
            check(identity)
