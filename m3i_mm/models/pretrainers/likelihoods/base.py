"""What likelihoods share: precision, pooling, a temperature."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

__all__ = ['Tempered', 'by_rows', 'full', 'per_image', 'pool']


def full(features: Tensor) -> Tensor:
    """Raise half precision to float32; float64 stays."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def per_image(losses: Tensor) -> Tensor:
    """Average token losses: ``(P, T) -> (P, )``; ``(P, )`` stays."""
    return losses.mean(dim=1) if losses.dim() == 2 else losses


def pool(features: Tensor) -> Tensor:
    """Give one feature per image: ``(P, T, C) -> (P, C)``."""
    return features.mean(1) if features.dim() == 3 else features


def by_rows(
    function: Callable[..., Tensor], size: int | None, *tensors: Tensor
) -> Tensor:
    """Compute losses of some rows at a time, with their logits alone.

    Args:
        function (Callable): From some rows of each tensor to their losses.
        size (int, optional): Number of rows; all at once if None.
        *tensors (Tensor): ``(P, ...)``.

    Returns:
        Tensor: Losses ``(P, )``; logits are computed again for the gradient.
    """
    if size is None:
        return function(*tensors)
    parts = zip(*(tensor.split(size) for tensor in tensors), strict=True)
    return torch.cat(
        [checkpoint(function, *part, use_reentrant=False) for part in parts]
    )


class Tempered(BaseModule):
    r"""A distribution whose logits are divided by a temperature.

    Args:
        temperature (float): :math:`\tau`.
        learnable (bool): Whether to learn the temperature, as CLIP does.
        min_temperature (float): Bound of a learned temperature.
        normalize (bool): Whether predictions and targets are scaled to unit
            length.
    """

    def __init__(
        self,
        temperature: float,
        learnable: bool,
        min_temperature: float,
        normalize: bool,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'temperature must be positive: {temperature}')
        # (1, ), for FSDP cannot shard scalars
        log_temperature = torch.tensor([temperature]).log()
        if learnable:
            self.log_temperature = nn.Parameter(log_temperature)
        else:
            self.register_buffer('log_temperature', log_temperature, False)
        self.min_temperature = min_temperature if learnable else 0.0
        self.normalize = normalize

    @property
    def temperature(self) -> Tensor:
        """The temperature in use, a scalar."""
        temperature = self.log_temperature.squeeze(0).exp()
        return temperature.clamp(min=self.min_temperature)

    def _scale(self, features: Tensor) -> Tensor:
        features = full(features)
        return F.normalize(features, dim=-1) if self.normalize else features
