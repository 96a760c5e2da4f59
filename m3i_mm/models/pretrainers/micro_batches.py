"""Large batches on one device: gradients without the activations of all.

What a loss compares, predictions and targets, is small; what is large are the
activations behind them. The batch is encoded in parts whose activations are
dropped and computed again, part by part, for the gradient of the loss over
all of it (GradCache, Gao et al., 2021). That is exact, as far as an image does
not depend on the others of its part: batch norm's does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..utils.recompute import recomputed
from .batch import Batch
from .inputs import group_size
from .targets import Choices, Features, join

__all__ = ['Represented', 'check_micro_batch', 'represent_in_parts']


@dataclass
class Represented:
    """What the targets of a batch and their predictions are.

    Attributes:
        passes (list[dict]): For each pass, z^_y and z_y by objective.
        feature (Tensor): Features of the images of the last pass, (P, C).
    """

    passes: list[dict[str, tuple[Tensor, Features | Choices]]]
    feature: Tensor


def check_micro_batch(size: int, model: Any, compile: bool) -> None:
    """Check whether a model can take a batch in parts.

    Args:
        size (int): Images of a part.
        model (M3I): The model.
        compile (bool): Whether its loss is compiled.

    Raises:
        ValueError: If the parts do not divide into inputs, or the loss is
            compiled.
    """
    group = group_size(model.input)
    if size < 1 or size % group:
        raise ValueError(
            f'micro_batch={size}, but {type(model.input).__name__} takes '
            f'{group} images at a time: choose a multiple'
        )
    if compile:
        raise ValueError(
            'compile and micro_batch exclude each other: a compiled loss '
            'keeps the activations of the whole batch'
        )
    if any(isinstance(module, _BatchNorm) for module in model.modules()):
        print_log(
            f'M3I: batch norm normalises by the {size} images of a '
            'micro-batch, not by the whole batch',
            logger='current',
            level=logging.WARNING,
        )


def represent_in_parts(
    model: nn.Module,
    represent: Callable[[Batch], Represented],
    batch: Batch,
    size: int,
) -> Represented:
    """Represent a batch part by part, recomputing each for the gradient.

    Args:
        model (nn.Module): What represents.
        represent (Callable): From a batch to what is in it.
        batch (Batch): The whole batch.
        size (int): Images of a part.

    Returns:
        Represented: That of the whole batch.
    """

    def again(part: Batch) -> Represented:
        # nothing of the first time may be found encoded
        return represent(part.fresh())

    parts = [recomputed(model, again, part) for part in batch.split(size)]
    return _join(parts)


def _join(parts: Sequence[Represented]) -> Represented:
    """Put the images of parts behind each other."""
    passes = []
    for steps in zip(*(part.passes for part in parts), strict=True):
        joined = {}
        for name in steps[0]:
            predictions, targets = zip(
                *(step[name] for step in steps), strict=True
            )
            joined[name] = torch.cat(predictions), join(targets)
        passes.append(joined)
    return Represented(passes, torch.cat([part.feature for part in parts]))
