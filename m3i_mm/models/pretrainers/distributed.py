"""Collectives that keep the gradient of one large batch."""

from __future__ import annotations

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor

__all__ = ['gather_with_gradient', 'global_mean', 'global_sum']


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """Concatenate a tensor of all ranks so that gradients flow back to each.

    Args:
        tensor (Tensor): ``(B, ...)`` with the same B on every rank.

    Returns:
        Tensor: ``(world_size * B, ...)``.

    Raises:
        ValueError: If the ranks hold batches of different sizes.
    """
    if get_world_size() == 1:
        return tensor
    sizes = [
        int(n)
        for n in all_gather(torch.tensor([len(tensor)], device=tensor.device))
    ]
    if len(set(sizes)) > 1:
        raise ValueError(
            f'Negatives are gathered over devices, whose batches differ: '
            f'{sizes}. Use drop_last=True'
        )
    from torch.distributed.nn.functional import all_gather as autograd_gather

    return torch.cat(list(autograd_gather(tensor.contiguous())))


def own_rows(size: int, device: torch.device) -> Tensor:
    """Return the rows of this rank in a gathered tensor, ``(size, )``."""
    return torch.arange(size, device=device) + get_rank() * size


def global_sum(tensor: Tensor) -> Tensor:
    """Sum a tensor without gradient over all ranks."""
    tensor = tensor.detach().clone()
    all_reduce(tensor)
    return tensor


def global_mean(values: Tensor, valid: Tensor | None = None) -> Tensor:
    """Average so that DDP's mean over ranks is the mean over all samples.

    Args:
        values (Tensor): Losses of the samples of this rank, ``(B, )``.
        valid (Tensor, optional): Boolean mask ``(B, )``; None keeps all.

    Returns:
        Tensor: ``world_size * sum(values) / count over all ranks``, zero if
        no rank has a valid sample.
    """
    if valid is None:
        valid = torch.ones_like(values, dtype=torch.bool)
    count = global_sum(valid.sum().to(values.dtype)).clamp(min=1)
    total = torch.where(valid, values, torch.zeros_like(values)).sum()
    return total * get_world_size() / count
