"""Mixed-precision training of a sharded model."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from mmengine import dist
from mmengine.device import get_device
from torch import Tensor
from torch.distributed.tensor import DTensor

from ...registry import OPTIM_WRAPPERS
from .mixed_precision import MixedPrecisionOptimWrapper

__all__ = ['ShardedOptimWrapper']


@OPTIM_WRAPPERS.register_module()
class ShardedOptimWrapper(MixedPrecisionOptimWrapper):
    """An optimizer wrapper for FSDP, where each process holds some gradients.

    Clipping needs the norm of all of them: PyTorch's ``clip_grad_norm_``
    would take that of the shards of one process, a different one in each.

    Args:
        *args: As in :class:`MixedPrecisionOptimWrapper`.
        **kwargs: As in :class:`MixedPrecisionOptimWrapper`.
            ``clip_grad`` takes ``max_norm`` of the Euclidean norm.

    Raises:
        ValueError: If ``clip_grad`` asks for another norm or for values, or
            ``dtype`` is float16, whose scale would need all shards too.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        clip = self.clip_grad_kwargs or dict(max_norm=0)
        if set(clip) != {'max_norm'} or self.dtype is torch.float16:
            raise ValueError(
                'ShardedOptimWrapper takes no float16 and clip_grad='
                f'dict(max_norm=...), got {self.dtype} and {clip}'
            )

    def _clip_grad(self) -> None:
        gradients = [
            _own_shard(parameter.grad)
            for group in self.optimizer.param_groups
            for parameter in group['params']
            if parameter.grad is not None
        ]
        norm = global_norm(gradients)
        scale = self.clip_grad_kwargs['max_norm'] / (norm + 1e-6)
        for gradient in gradients:
            gradient.mul_(scale.clamp(max=1.0).to(gradient))
        self.message_hub.update_scalar('train/grad_norm', float(norm))


def _own_shard(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def global_norm(shards: Iterable[Tensor]) -> Tensor:
    """Return the Euclidean norm of tensors that are spread over processes.

    Args:
        shards (Iterable[Tensor]): The parts that this process holds, of any
            shapes.

    Returns:
        Tensor: The norm, a scalar in float32.
    """
    # A process may hold no part at all
    total = torch.zeros((), device=get_device())
    for shard in shards:
        total += shard.float().square().sum()
    dist.all_reduce(total)
    return total.sqrt()
