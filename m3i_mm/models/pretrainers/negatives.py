"""What a contrast is normalised over, besides the target."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from .distributed import gather_with_gradient, own_rows

__all__ = ['BatchNegatives', 'Negatives', 'QueueNegatives']


@dataclass
class Negatives:
    """Negatives of a batch of predictions.

    Attributes:
        keys (Tensor): M representations, ``(M, C)``.
        excluded (Tensor): Boolean mask ``(P, M)`` of the keys that are no
            negatives of a prediction.
    """

    keys: Tensor
    excluded: Tensor


@MODELS.register_module()
class BatchNegatives(BaseModule):
    """The targets of the other images of the batch, over all devices.

    Args:
        own_view (bool): Whether the predictions of the other images are
            negatives too (SimCLR). Defaults to False.
    """

    def __init__(self, own_view: bool = False) -> None:
        super().__init__()
        self.own_view = own_view

    def forward(
        self, keys: Tensor, predictions: Tensor, valid: Tensor
    ) -> Negatives:
        """Gather negatives.

        Args:
            keys (Tensor): One target per image of this rank, ``(P, C)``.
            predictions (Tensor): One prediction per image, ``(P, C)``.
            valid (Tensor): Which images have the target, ``(P, )``.

        Returns:
            Negatives: Keys of all ranks.

        Raises:
            ValueError: If there is only one image.
        """
        every = gather_with_gradient(keys)
        if len(every) < 2:
            raise ValueError(
                'BatchNegatives needs at least two images in the batch over '
                'all devices, got one'
            )
        missing = ~gather_with_gradient(valid.long()).bool()
        rows = own_rows(len(keys), keys.device)
        columns = torch.arange(len(every), device=keys.device)
        excluded = (rows[:, None] == columns) | missing  # (P, M)
        if self.own_view:
            every = torch.cat([every, gather_with_gradient(predictions)])
            excluded = torch.cat([excluded, excluded], 1)
        return Negatives(every, excluded)


@MODELS.register_module()
class QueueNegatives(BaseModule):
    """A queue of the targets of earlier batches (MoCo).

    Args:
        embed_dims (int): Width C of a target.
        length (int): Number K of targets kept. Defaults to 65536.
    """

    def __init__(self, embed_dims: int, length: int = 65536) -> None:
        super().__init__()
        queue = F.normalize(torch.randn(length, embed_dims), dim=1)
        self.register_buffer('queue', queue)
        self.register_buffer('pointer', torch.tensor(0))
        self.queue: Tensor
        self.pointer: Tensor

    def forward(
        self, keys: Tensor, predictions: Tensor, valid: Tensor
    ) -> Negatives:
        """Return the queue, then put the keys in; see BatchNegatives."""
        negatives = self.queue.clone()
        excluded = keys.new_zeros(len(keys), len(negatives), dtype=torch.bool)
        if self.training:
            self._enqueue(keys.detach(), valid)
        return Negatives(negatives, excluded)

    @torch.no_grad()
    def _enqueue(self, keys: Tensor, valid: Tensor) -> None:
        """Overwrite the oldest entries by the valid keys of all devices."""
        length = len(self.queue)
        keys = gather_with_gradient(keys)[-length:].to(self.queue.dtype)
        valid = gather_with_gradient(valid.long())[-length:].bool()
        # valid keys first; the others leave what stands in their places
        order = torch.argsort((~valid).long(), stable=True)
        keys, written = keys[order], valid[order]
        places = torch.arange(len(keys), device=keys.device) + self.pointer
        places = places % length
        old = self.queue[places]
        self.queue[places] = torch.where(written[:, None], keys, old)
        self.pointer.add_(valid.sum()).remainder_(length)
