"""One scale for the features of different teachers."""

from __future__ import annotations

import torch
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor

from m3i_mm.registry import MODELS

from ..distributed import global_sum

__all__ = ['ChannelStatistics']


@MODELS.register_module()
class ChannelStatistics(BaseModule):
    """Standardises each channel by statistics of the first batches.

    Without it the loss of a teacher with large features, or of its few large
    channels, drowns the others. The statistics are fixed after that; they are
    of all devices, and part of the checkpoint.

    Args:
        embed_dims (int): Number C of channels.
        num_batches (int): How many times features are seen until then.
            Defaults to 200.
        eps (float): Added to variances. Defaults to 1e-6.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor
    batches: Tensor

    def __init__(
        self, embed_dims: int, num_batches: int = 200, eps: float = 1e-6
    ) -> None:
        super().__init__()
        self.embed_dims = embed_dims
        self.num_batches = num_batches
        self.eps = eps
        self.counting = True  # but not where activations are recomputed
        self.register_buffer('mean', torch.zeros(embed_dims))
        self.register_buffer('variance', torch.ones(embed_dims))
        self.register_buffer('count', torch.zeros(1))
        self.register_buffer('batches', torch.zeros(1, dtype=torch.long))

    def forward(self, values: Tensor) -> Tensor:
        """Standardise features ``(..., C)``.

        Raises:
            ValueError: If they have another number of channels.
        """
        if values.shape[-1] != self.embed_dims:
            raise ValueError(
                f'ChannelStatistics has embed_dims={self.embed_dims}, but the '
                f'target has {values.shape[-1]} channels'
            )
        if self.training and self.counting:
            self._add(values.detach().flatten(0, -2).to(self.mean.dtype))
        return (values - self.mean) / (self.variance + self.eps).sqrt()

    @torch.no_grad()
    def _add(self, rows: Tensor) -> None:
        """Merge a batch (Chan et al., 1983), unless there were enough."""
        open_ = (self.batches < self.num_batches).to(rows.dtype)  # (1, )
        added = float(len(rows) * get_world_size())
        mean = global_sum(rows.sum(0)) / added
        squares = global_sum((rows - mean).square().sum(0))
        count = self.count + added
        difference = mean - self.mean
        old = self.variance * self.count
        merged = (
            old + squares + difference.square() * self.count * (added / count)
        )
        self.mean.add_(open_ * difference * (added / count))
        self.variance.lerp_(merged / count, open_)
        self.count.add_(open_ * added)
        self.batches.add_(open_.long())
