"""How the losses of several targets are weighed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.registry import MODELS

__all__ = ['FixedWeights', 'LearnedWeights']


@MODELS.register_module()
class FixedWeights(BaseModule):
    """Leaves the losses to the weights in the config.

    Args:
        names (Sequence[str]): Names of the objectives.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()

    def forward(self, name: str, loss: Tensor) -> Tensor:
        """Return the loss, a scalar, as it is."""
        return loss


@MODELS.register_module()
class LearnedWeights(BaseModule):
    r"""Learns the noise level of every objective.

    .. math:: L_k / (2 \sigma_k^2) + \log \sigma_k

    the negative log-likelihood of observation noise (Kendall et al., 2018),
    which for Gaussian targets is their own variance (paper section 1.3).

    Args:
        names (Sequence[str]): Names of the objectives.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        # 2 sigma^2 = 1 in the beginning: plain sums; (1, ), for FSDP cannot
        # shard scalars
        start = -torch.tensor([2.0]).log()
        self.log_variances = nn.ParameterDict(
            {name: nn.Parameter(start.clone()) for name in names}
        )

    def forward(self, name: str, loss: Tensor) -> Tensor:
        """Weigh a loss, a scalar."""
        log_variance = self.log_variances[name].squeeze(0)
        return loss / (2 * log_variance.exp()) + log_variance / 2
