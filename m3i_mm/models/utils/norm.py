"""Normalisation between channels-first and channels-last layers.

InternImage keeps its tokens as (B, H, W, C) and runs convolutions on
(B, C, H, W), so a normalisation often changes the layout on the way. The
steps form one ``nn.Sequential`` whose indices are part of the parameter names
of the official checkpoints (``norm1.1.weight``, ``norm2.0.weight``).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from m3i_mm.registry import MODELS

__all__ = ['BatchNorm', 'ToChannelsFirst', 'ToChannelsLast', 'build_norm']

LAYER_NORM_EPS = 1e-6


@MODELS.register_module()
class BatchNorm(_BatchNorm):
    """Batch normalisation of maps, tokens and vectors alike.

    It is what ``SyncBN`` becomes where processes cannot synchronise it.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of dimensions, as SyncBN does."""


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
) -> nn.Sequential:
    """Build a normalisation with the changes of layout that it needs.

    Args:
        channels (int): Number of channels C.
        norm_layer (str): ``'LN'`` (over C, eps 1e-6) or ``'BN'``.
        input_format (str): ``'channels_first'`` or ``'channels_last'``.
        output_format (str): ``'channels_first'`` or ``'channels_last'``.

    Returns:
        nn.Sequential: The normalisation with permutations around it.

    Raises:
        ValueError: If ``norm_layer`` is unknown.
    """
    if norm_layer == 'LN':
        norm: nn.Module = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        layout = 'channels_last'
    elif norm_layer == 'BN':
        norm = nn.BatchNorm2d(channels)
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
    layers.append(norm)
    if output_format != layout:
        layers.append(change[output_format]())
    return nn.Sequential(*layers)
