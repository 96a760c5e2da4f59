"""The ways by which a file enters a model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mmengine.model import PretrainedInit, update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import nn

from . import reading, writing
from .fitting import fit_weights

__all__ = ['CheckedPretrainedInit', 'install', 'load_weights']


def load_weights(
    model: nn.Module,
    checkpoint: str,
    *,
    prefix: str | None = None,
    parts: Collection[str] = (),
    new_weights: Collection[str] = (),
    advice: str = 'Take the config that it was trained with',
) -> dict[str, Any]:
    """Load a checkpoint that fills the model, or the named parts of it.

    The names in the file may be those of the model, of one that contains it,
    or of a part of it. What the file has beyond the model is logged.

    Args:
        model (nn.Module): The model, changed in place.
        checkpoint (str): Path or address, see :func:`read_checkpoint`.
        prefix (str, optional): Of the names that are taken from the file.
        parts (Collection[str]): Modules that the file has to fill, e.g.
            ``('backbone',)``; without any, the whole model.
        new_weights (Collection[str]): Names, prefixes or shell patterns of
            weights that are meant to stay as initialised, e.g. ``('head',)``.
        advice (str): What to do if the file does not fit, for the error.

    Returns:
        dict: The content of the checkpoint.

    Raises:
        MissingCheckpointError: If there is no such file.
        CheckpointError: If the file cannot be read, or weights that it should
            fill are missing or differ in shape.
    """
    content = reading.read_checkpoint(checkpoint)
    fit = fit_weights(model, content, prefix)
    fit.require(
        checkpoint, parts=parts, new_weights=new_weights, advice=advice
    )
    fit.apply()
    return content


class CheckedPretrainedInit(PretrainedInit):
    """``init_cfg=dict(type='Pretrained', ...)`` that fills the whole module.

    MMEngine's own loads what fits and warns about the rest; with it any file
    gives a model of random weights.

    Args:
        checkpoint (str): Path or address, see :func:`read_checkpoint`.
        prefix (str, optional): Of the names that are taken from the file.
        map_location (str): Has no effect: the weights go where the module is.
        new_weights (Collection[str]): See :func:`load_weights`.

    Raises:
        MissingCheckpointError: If there is no such file.
        CheckpointError: If the file cannot be read or does not fit.
    """

    def __init__(
        self,
        checkpoint: str,
        prefix: str | None = None,
        map_location: str = 'cpu',
        new_weights: Collection[str] = (),
    ) -> None:
        super().__init__(checkpoint, prefix, map_location)
        self.new_weights = new_weights

    def __call__(self, module: nn.Module) -> None:
        """Load the file into a module."""
        load_weights(
            module,
            self.checkpoint,
            prefix=self.prefix,
            new_weights=self.new_weights,
            advice='Give a file of this module, or name what is to start anew '
            "in init_cfg=dict(type='Pretrained', ..., new_weights=[...])",
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())


def install() -> None:
    """Make MMEngine read, load and write files as this package does."""
    reading.install()
    writing.install()
    WEIGHT_INITIALIZERS.register_module(
        'Pretrained', force=True, module=CheckedPretrainedInit
    )
