"""Normalisation between channels-first and channels-last layers.

InternImage keeps its tokens as (B, H, W, C) and runs convolutions on
(B, C, H, W), so a normalisation often changes the layout on the way. The
steps form one ``nn.Sequential`` whose indices are part of the parameter names
of the official checkpoints (``norm1.1.weight``, ``norm2.0.weight``).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from m3i_mm.ops.add_norm import Norm, layer_norm
from m3i_mm.registry import MODELS

from .autocast import autocast_dtype

__all__ = [
    'BatchNorm',
    'LayerNorm',
    'LayerNormGELU',
    'ToChannelsFirst',
    'ToChannelsLast',
    'build_norm',
]

LAYER_NORM_EPS = 1e-6


@MODELS.register_module()
class BatchNorm(_BatchNorm):
    """Batch normalisation of maps, tokens and vectors alike.

    It is what ``SyncBN`` becomes where processes cannot synchronise it.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of dimensions, as SyncBN does."""


class LayerNorm(nn.LayerNorm):
    """Layer normalisation that takes half precision as it comes.

    Args:
        channels (int): Number of channels C.
        backend (str): See :func:`m3i_mm.ops.add_norm.add_norm`.
    """

    def __init__(self, channels: int, backend: str = 'auto') -> None:
        super().__init__(channels, eps=LAYER_NORM_EPS)
        self.backend = backend

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the channels.

        Args:
            x (Tensor): (B, ..., C).

        Returns:
            Tensor: (B, ..., C), under autocast in float32.
        """
        return layer_norm(x, Norm.of(self), backend=self.backend)


class LayerNormGELU(LayerNorm):
    """Layer normalisation and GELU, in front of a matrix product."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the channels and apply the GELU.

        Args:
            x (Tensor): (B, ..., C).

        Returns:
            Tensor: (B, ..., C), under autocast in its dtype.
        """
        dtype = autocast_dtype(x)
        return layer_norm(x, Norm.of(self), True, dtype, self.backend)


class ToChannelsFirst(nn.Module):
    """View (B, H, W, C) as (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Permute without copying.

        Args:
            x (Tensor): (B, H, W, C).

        Returns:
            Tensor: (B, C, H, W).
        """
        return x.permute(0, 3, 1, 2)


class ToChannelsLast(nn.Module):
    """View (B, C, H, W) as (B, H, W, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Permute without copying.

        Args:
            x (Tensor): (B, C, H, W).

        Returns:
            Tensor: (B, H, W, C).
        """
        return x.permute(0, 2, 3, 1)


def build_norm(
    channels: int,
    norm_layer: str = 'LN',
    input_format: str = 'channels_last',
    output_format: str = 'channels_last',
    gelu: bool = False,
    backend: str = 'auto',
) -> nn.Sequential:
    """Build a normalisation with the changes of layout that it needs.

    Args:
        channels (int): Number of channels C.
        norm_layer (str): ``'LN'`` (over C, eps 1e-6) or ``'BN'``.
        input_format (str): ``'channels_first'`` or ``'channels_last'``.
        output_format (str): ``'channels_first'`` or ``'channels_last'``.
        gelu (bool): Whether a GELU follows.
        backend (str): See :func:`m3i_mm.ops.add_norm.add_norm`.

    Returns:
        nn.Sequential: The normalisation with permutations around it.

    Raises:
        ValueError: If ``norm_layer`` is unknown.
    """
    norm: list[nn.Module]
    if norm_layer == 'LN':
        norm_class = LayerNormGELU if gelu else LayerNorm
        norm = [norm_class(channels, backend)]
        layout = 'channels_last'
    elif norm_layer == 'BN':
        norm = [nn.BatchNorm2d(channels), *([nn.GELU()] if gelu else [])]
        layout = 'channels_first'
    else:
        raise ValueError(
            f"norm_layer must be 'LN' or 'BN', got {norm_layer!r}"
        )
    change = {
        'channels_first': ToChannelsFirst,
        'channels_last': ToChannelsLast,
    }
    layers: list[nn.Module] = []
    if input_format != layout:
        layers.append(change[layout]())
    layers.extend(norm)
    if output_format != layout:
        layers.append(change[output_format]())
    return nn.Sequential(*layers)
