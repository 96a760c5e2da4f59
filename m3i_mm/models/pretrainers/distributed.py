"""Collectives that keep the gradient of one large batch."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from torch import Tensor, distributed

__all__ = [
    'check_equal_batches',
    'gather_with_gradient',
    'global_mean',
    'global_sum',
    'sum_with_gradient',
]


@lru_cache(maxsize=1)
def _host_group(world: Any) -> Any:
    """Return a group of all ranks whose messages stay on the host."""
    if distributed.get_backend(world) == 'gloo':
        return world
    return distributed.new_group(backend='gloo')


def check_equal_batches(size: int) -> None:
    """Check on the host that the batches of all ranks are equally large.

    Args:
        size (int): Number of images on this rank.

    Raises:
        ValueError: If the ranks differ.
    """
    if get_world_size() == 1:
        return
    sizes: list[Any] = [None] * get_world_size()
    group = _host_group(distributed.group.WORLD)
    distributed.all_gather_object(sizes, size, group=group)
    if len(set(sizes)) > 1:
        raise ValueError(
            f'Negatives are gathered over devices, whose batches differ: '
            f'{sizes}. Use drop_last=True'
        )


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """Concatenate a tensor of all ranks so that gradients flow back to each.

    Args:
        tensor (Tensor): ``(B, ...)`` with the same B on every rank.

    Returns:
        Tensor: ``(world_size * B, ...)``.
    """
    if get_world_size() == 1:
        return tensor
    from torch.distributed.nn.functional import all_gather as autograd_gather

    return torch.cat(list(autograd_gather(tensor.contiguous())))


def own_rows(size: int, device: torch.device) -> Tensor:
    """Return the rows of this rank in a gathered tensor, ``(size, )``."""
    return torch.arange(size, device=device) + get_rank() * size


def global_sum(tensor: Tensor) -> Tensor:
    """Sum a tensor without gradient over all ranks."""
    tensor = tensor.detach()
    if get_world_size() == 1:
        return tensor
    tensor = tensor.clone()
    all_reduce(tensor)
    return tensor


def sum_with_gradient(tensor: Tensor) -> Tensor:
    """Sum a tensor over all ranks so that gradients flow back to each."""
    if get_world_size() == 1:
        return tensor
    from torch.distributed.nn.functional import all_reduce as autograd_reduce

    return autograd_reduce(tensor)


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
