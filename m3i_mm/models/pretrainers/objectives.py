"""One term of the sum over targets: z_y, f_psi and P^ together."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from . import likelihoods
from .batch import Batch
from .distributed import global_mean
from .inputs import Pass
from .targets import BaseTarget, Choices, Features, join
from .tokens import ImageTokens

__all__ = ['Objective']


class Objective(BaseModule):
    """Predicts one kind of target of some members of the input.

    Args:
        target (dict): Config of a :class:`BaseTarget`.
        decoder (str): Name of f_psi, which several objectives may share.
        likelihood (dict): Config of P^, e.g. ``Contrast`` or ``Gaussian``.
        members (Sequence[int]): Which images of a mix have this target.
        weight (float): Weight in the sum of losses. Defaults to 1.

    Raises:
        ValueError: If the likelihood does not score what the target gives,
            or does not take an argument.
    """

    def __init__(
        self,
        target: dict[str, Any],
        decoder: str,
        likelihood: dict[str, Any],
        members: Sequence[int],
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.target: BaseTarget = MODELS.build(target)
        self.decoder = decoder
        self.likelihood = _build_likelihood(likelihood, self.target)
        self.members = tuple(members)
        self.weight = weight

    def forward(
        self, batch: Batch, step: Pass, tokens: ImageTokens, decoder: nn.Module
    ) -> Tensor:
        """Predict and score the targets of one pass.

        Args:
            batch (Batch): The batch.
            step (Pass): The inputs that were encoded.
            tokens (ImageTokens): z_x of the inputs.
            decoder (nn.Module): f_psi, the module called ``decoder``.

        Returns:
            Tensor: See :meth:`score`.
        """
        return self.score(*self.predict(batch, step, tokens, decoder))

    def predict(
        self, batch: Batch, step: Pass, tokens: ImageTokens, decoder: nn.Module
    ) -> tuple[Tensor, Features | Choices]:
        """Represent and predict the targets of one pass.

        Args:
            batch (Batch): The batch.
            step (Pass): The inputs that were encoded.
            tokens (ImageTokens): z_x of the inputs.
            decoder (nn.Module): f_psi, the module called ``decoder``.

        Returns:
            tuple[Tensor, Features | Choices]: z^_y and z_y.
        """
        predictions, targets = [], []
        for member in step.shown(self.members):
            target = self.target(batch, member, tokens)  # z_y
            own = tokens.select(member.owned)
            predictions.append(decoder(own, target.places))  # z^_y
            targets.append(target)
        return torch.cat(predictions), join(targets)

    def score(self, prediction: Tensor, target: Features | Choices) -> Tensor:
        """Score predictions of the whole batch.

        Args:
            prediction (Tensor): z^_y.
            target (Features | Choices): z_y.

        Returns:
            Tensor: Mean negative log-likelihood of the images that have the
            target, over all devices; a scalar.
        """
        with torch.autocast(prediction.device.type, enabled=False):
            losses = self.likelihood(prediction, target)  # -log P^(z_y | z^_y)
        return global_mean(losses, target.valid)

    def finish(self) -> None:
        """Let the likelihood close a batch, of which it may count things."""
        finish = getattr(self.likelihood, 'finish', None)
        if callable(finish):
            finish()

    def settings(self, name: str) -> dict[str, Tensor]:
        """Return what may change in training, for the log.

        Args:
            name (str): Name of the objective.

        Returns:
            dict[str, Tensor]: Scalars ``weight_{name}``, and
            ``temperature_{name}`` or ``variance_{name}``.
        """
        values = {f'weight_{name}': torch.tensor(float(self.weight))}
        for key in ('temperature', 'variance'):
            value = getattr(self.likelihood, key, None)
            if value is not None:
                values[f'{key}_{name}'] = value.detach()
        return values


def _build_likelihood(cfg: dict[str, Any], target: BaseTarget) -> nn.Module:
    """Build P^ and check that it scores what the target gives."""
    kind = MODELS.get(cfg['type']) if isinstance(cfg['type'], str) else None
    if kind is not None and kind.__name__ in likelihoods.__all__:
        _check_arguments(kind, cfg)
    likelihood = MODELS.build(cfg)
    scored = getattr(likelihood, 'scores', target.represents)
    if scored is not target.represents:
        fitting = ' or '.join(
            name
            for name in likelihoods.__all__
            if getattr(likelihoods, name).scores is target.represents
        )
        raise ValueError(
            f'{type(likelihood).__name__} scores {scored.__name__}, but '
            f'{type(target).__name__} gives {target.represents.__name__}: '
            f'set likelihood.type to {fitting}'
        )
    return likelihood


def _check_arguments(kind: Any, cfg: dict[str, Any]) -> None:
    """Refuse arguments that a likelihood would not understand."""
    arguments = {
        name: inspect.signature(getattr(likelihoods, name)).parameters
        for name in likelihoods.__all__
    }
    known = arguments[kind.__name__]
    for name in sorted(cfg.keys() - known.keys() - {'type'}):
        owners = ' or '.join(o for o in arguments if name in arguments[o])
        raise ValueError(
            f'{kind.__name__} takes no argument {name!r}'
            + (f', which is one of {owners}' if owners else '')
            + f'; it takes {", ".join(known)}'
        )
