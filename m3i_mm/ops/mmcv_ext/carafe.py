"""Content-aware reassembly of features (CARAFE, ICCV 2019, section 3.2).

Each pixel of the enlarged map is a weighted sum of the neighbourhood of the
pixel that it comes from, with weights of its own. MMCV has two kernels for
the same function, ``carafe`` and ``carafe_naive``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32

__all__ = [
    'carafe_backward',
    'carafe_forward',
    'carafe_naive_backward',
    'carafe_naive_forward',
]


def _reassemble(
    features: Tensor,
    masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> Tensor:
    """Compute the enlarged map, (B, C, S * H, S * W), differentiably."""
    height, width = features.shape[2:]
    # (B, C, H, W) -> (B, C * K * K, H * W)
    patches = F.unfold(features, kernel_size, padding=kernel_size // 2)
    patches = patches.view(
        len(features), group_size, -1, kernel_size**2, height, width
    )
    masks = masks.view(
        len(features),
        group_size,
        kernel_size**2,
        height,
        scale_factor,
        width,
        scale_factor,
    )
    output = torch.einsum('bgckhw,bgkhswt->bgchswt', patches, masks)
    # (B, G, C / G, H, S, W, S) -> (B, C, S * H, S * W)
    return output.flatten(5).flatten(3, 4).flatten(1, 2)


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the enlarged map into ``output``.

    Args:
        features (Tensor): (B, C, H, W).
        masks (Tensor): (B, G * K * K, S * H, S * W), weights of the
            neighbours.
        output (Tensor): (B, C, S * H, S * W). Output.
        kernel_size (int): K, side of the neighbourhood, odd.
        group_size (int): G, groups of channels with weights of their own.
        scale_factor (int): S.
    """
    output.copy_(
        _reassemble(
            at_least_float32(features),
            at_least_float32(masks),
            kernel_size,
            group_size,
            scale_factor,
        )
    )


def carafe_naive_backward(
    grad_output: Tensor,
    features: Tensor,
    masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write the derivatives into ``grad_input`` and ``grad_masks``.

    The other arguments are those of :func:`carafe_naive_forward`.
    """
    leaves = [
        at_least_float32(tensor).detach().requires_grad_()
        for tensor in (features, masks)
    ]
    with torch.enable_grad():
        output = _reassemble(
            leaves[0], leaves[1], kernel_size, group_size, scale_factor
        )
    grads = torch.autograd.grad(output, leaves, grad_output.to(output.dtype))
    grad_input.copy_(grads[0])
    grad_masks.copy_(grads[1])


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    **sizes: int,
) -> None:
    """Write the enlarged map into ``output``.

    ``rfeatures``, of the shape of the features, is what MMCV keeps for
    :func:`carafe_backward`; the buffers ``routput`` and ``rmasks`` belong to
    its own kernels. The rest is as in :func:`carafe_naive_forward`.
    """
    rfeatures.copy_(features)
    carafe_naive_forward(features, masks, output, **sizes)


def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    **sizes: int,
) -> None:
    """Write the derivatives into ``grad_input`` and ``grad_masks``.

    ``rfeatures`` is what :func:`carafe_forward` kept; the buffers
    ``rgrad_...`` are not used.
    """
    carafe_naive_backward(
        grad_output, rfeatures, masks, grad_input, grad_masks, **sizes
    )
