"""What the Boltzmann distribution is normalised over, besides the target."""

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
        own = F.one_hot(rows, len(every)).bool()  # (P, M)
        excluded = own | missing
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
            self._enqueue(keys.detach()[valid])
        return Negatives(negatives, excluded)

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        keys = torch.cat(_gather_ragged(keys))[-len(self.queue) :]
        places = torch.arange(len(keys), device=keys.device) + self.pointer
        self.queue[places % len(self.queue)] = keys.to(self.queue.dtype)
        self.pointer.add_(len(keys)).remainder_(len(self.queue))


def _gather_ragged(keys: Tensor) -> list[Tensor]:
    """Gather tensors of different lengths from all ranks."""
    from mmengine.dist import all_gather, get_world_size

    if get_world_size() == 1:
        return [keys]
    sizes = [
        int(n)
        for n in all_gather(torch.tensor([len(keys)], device=keys.device))
    ]
    padded = F.pad(keys, (0, 0, 0, max(sizes) - len(keys)))
    return [
        part[:size]
        for part, size in zip(all_gather(padded), sizes, strict=True)
    ]
