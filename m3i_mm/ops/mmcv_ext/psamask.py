"""Masks of point-wise spatial attention (PSANet, ECCV 2018, section 3.2).

The network predicts at each pixel weights for a window around it. The masks
hold them by pairs of pixels: which pixel a pixel collects from, or which ones
it distributes to.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ['psamask_backward', 'psamask_forward']

COLLECT = 0  # the other type distributes


def _offsets(size: int, half: int, device: torch.device) -> Tensor:
    """Return, (size, size), where pixel i lies in the window of pixel j."""
    pixels = torch.arange(size, device=device)
    return pixels[:, None] - pixels + half


def _channels(
    device: torch.device,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> tuple[Tensor, Tensor]:
    """Return the channel of each pair of pixels, and whether it has one.

    Returns:
        tuple[Tensor, Tensor]: (HW, HW) int64 and bool; the first axis is the
        pixel in the window, the second the one in its middle.
    """
    y = _offsets(h_feature, half_h_mask, device)[:, None, :, None]
    x = _offsets(w_feature, half_w_mask, device)[None, :, None, :]
    inside = (y >= 0) & (y < h_mask) & (x >= 0) & (x < w_mask)
    channel = (y * w_mask + x).masked_fill(~inside, 0)
    # (H, W, H, W) -> (HW, HW)
    return channel.flatten(2).flatten(0, 1), inside.flatten(2).flatten(0, 1)


def psamask_forward(
    input: Tensor, output: Tensor, psa_type: int, num_: int, **sizes: int
) -> None:
    """Write the weights of all pairs of pixels into ``output``.

    Args:
        input (Tensor): (B, h_mask * w_mask, H, W), weights of the window
            around each pixel.
        output (Tensor): (B, H * W, H, W). Output, 0 for pixels outside of the
            window.
        psa_type (int): 0 to collect: channels are the pixels of the window;
            1 to distribute: channels are the pixels in their middle.
        num_ (int): B.
        **sizes (int): ``h_feature``, ``w_feature``: H, W; ``h_mask``,
            ``w_mask``: the window; ``half_h_mask``, ``half_w_mask``: its
            middle.
    """
    channel, inside = _channels(input.device, **sizes)
    pairs = input.flatten(2).gather(1, channel.expand(num_, -1, -1)) * inside
    if psa_type != COLLECT:
        pairs = pairs.transpose(1, 2)
    output.copy_(pairs.reshape(output.shape))


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    **sizes: int,
) -> None:
    """Write the derivative by the windows' weights into ``grad_input``.

    Arguments as of :func:`psamask_forward`; ``grad_output`` is
    (B, H * W, H, W) and ``grad_input``, (B, h_mask * w_mask, H, W) of zeros,
    the output.
    """
    channel, inside = _channels(grad_output.device, **sizes)
    pairs = grad_output.flatten(2)
    if psa_type != COLLECT:
        pairs = pairs.transpose(1, 2)
    grad_input.flatten(2).scatter_add_(
        1, channel.expand(num_, -1, -1), pairs * inside
    )
