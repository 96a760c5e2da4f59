"""One term of the sum over targets: z_y, f_psi and P^ together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from .batch import Batch
from .inputs import Pass
from .targets import BaseTarget, Target
from .tokens import ImageTokens

__all__ = ['Objective', 'Prediction']


@dataclass
class Prediction:
    """Predictions and targets of one objective on one pass.

    Attributes:
        values (Tensor): z^_y, ``(P, C)`` or ``(P, T, C)``.
        target (Target): The targets.
        losses (Tensor): Negative log-likelihood of each image, ``(P, )``.
    """

    values: Tensor
    target: Target
    losses: Tensor


class Objective(BaseModule):
    """Predicts one kind of target of some members of the input.

    Args:
        target (dict): Config of a :class:`BaseTarget`.
        decoder (str): Name of f_psi, which several objectives may share.
        likelihood (dict): Config of P^, e.g. ``Boltzmann`` or ``Gaussian``.
        members (Sequence[int]): Which images of a mix have this target.
        weight (float): Weight in the sum of losses. Defaults to 1.
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
        self.likelihood = MODELS.build(likelihood)
        self.members = tuple(members)
        self.weight = weight

    def forward(
        self, batch: Batch, step: Pass, tokens: ImageTokens, decoder: nn.Module
    ) -> Prediction:
        """Predict and score the targets of one pass.

        Args:
            batch (Batch): The batch.
            step (Pass): The inputs that were encoded.
            tokens (ImageTokens): z_x of the inputs.
            decoder (nn.Module): The module called ``decoder``.
        """
        values, targets = [], []
        for number in self.members:
            member = step.members[number]
            target = self.target(batch, member, tokens)
            own = tokens.select(member.owned)
            values.append(decoder(own, target.coordinates, target.cells))
            targets.append(target)
        joined, target = torch.cat(values), _join(targets)
        with torch.autocast(joined.device.type, enabled=False):
            losses = self.likelihood(joined, target)
        return Prediction(joined, target, losses)

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


def _join(targets: list[Target]) -> Target:
    """Put the targets of several members behind each other."""
    if len(targets) == 1:
        return targets[0]
    first = targets[0]

    def cat(name: str) -> Tensor | None:
        parts = [getattr(target, name) for target in targets]
        return None if parts[0] is None else torch.cat(parts)

    values = first.values if first.labels is not None else cat('values')
    assert values is not None
    return Target(
        values,
        cat('labels'),
        first.bias,
        cat('valid'),
        cat('coordinates'),
        cat('cells'),
        cat('pooled'),
    )
