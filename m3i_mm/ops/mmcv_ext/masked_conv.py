"""Convolution at some pixels only, the inference of guided anchoring."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32

__all__ = ['masked_col2im_forward', 'masked_im2col_forward']


def masked_im2col_forward(
    features: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    data_col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Write the neighbourhoods of M pixels into ``data_col``.

    Args:
        features (Tensor): (1, C, H, W).
        mask_h_idx (Tensor): (M,) int64, rows of the pixels.
        mask_w_idx (Tensor): (M,) int64, their columns.
        data_col (Tensor): (C * kernel_h * kernel_w, M). Output.
        kernel_h (int): Height of the neighbourhood.
        kernel_w (int): Width of the neighbourhood.
        pad_h (int): Rows of the neighbourhood above the pixel.
        pad_w (int): Columns of the neighbourhood left of the pixel.
    """
    columns = F.unfold(
        at_least_float32(features),
        (kernel_h, kernel_w),
        padding=(pad_h, pad_w),
    )
    width = features.shape[3] + 2 * pad_w - kernel_w + 1
    data_col.copy_(columns[0, :, mask_h_idx * width + mask_w_idx])


def masked_col2im_forward(
    data_col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    output: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write the values of M pixels into ``output``.

    Args:
        data_col (Tensor): (channels, M).
        mask_h_idx (Tensor): (M,) int64, rows of the pixels.
        mask_w_idx (Tensor): (M,) int64, their columns.
        output (Tensor): (1, channels, height, width). Output; other pixels
            keep their values.
        height (int): Rows of the map.
        width (int): Columns of the map.
        channels (int): Channels of the map.
    """
    output[0, :, mask_h_idx, mask_w_idx] = data_col
