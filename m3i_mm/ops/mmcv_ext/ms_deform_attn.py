"""Multi-scale deformable attention (Deformable DETR, ICLR 2021, equation 3).

MMCV calls its extension for GPU tensors only and has a PyTorch formulation
for the others; the same formulation serves here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import at_least_float32

__all__ = ['ms_deform_attn_backward', 'ms_deform_attn_forward']


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Attend to a few bilinearly sampled points of every level.

    Args:
        value (Tensor): (B, S, M, D), the levels flattened one after another,
            M heads of width D.
        value_spatial_shapes (Tensor): (L, 2) int64, height and width.
        value_level_start_index (Tensor): (L,), which follows from the shapes
            and is not used.
        sampling_locations (Tensor): (B, Q, M, L, P, 2), (x, y) in [0, 1].
        attention_weights (Tensor): (B, Q, M, L, P).
        im2col_step (int): Batch slice of MMCV's kernel, without effect here.

    Returns:
        Tensor: (B, Q, M * D).
    """
    # at call time: `mmcv.ops` is what imports this package
    from mmcv.ops.multi_scale_deform_attn import (
        multi_scale_deformable_attn_pytorch,
    )

    output = multi_scale_deformable_attn_pytorch(
        at_least_float32(value),
        # as integers, lest the loop over levels waits for the GPU each time
        value_spatial_shapes.tolist(),
        at_least_float32(sampling_locations),
        at_least_float32(attention_weights),
    )
    return output.to(value.dtype)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Write the derivatives into the three ``grad_`` tensors.

    Args:
        value (Tensor): As in :func:`ms_deform_attn_forward`.
        value_spatial_shapes (Tensor): As in the forward.
        value_level_start_index (Tensor): As in the forward.
        sampling_locations (Tensor): As in the forward.
        attention_weights (Tensor): As in the forward.
        grad_output (Tensor): (B, Q, M * D).
        grad_value (Tensor): (B, S, M, D). Output.
        grad_sampling_loc (Tensor): (B, Q, M, L, P, 2). Output.
        grad_attn_weight (Tensor): (B, Q, M, L, P). Output.
        im2col_step (int): As in the forward.
    """
    leaves = [
        at_least_float32(tensor).detach().requires_grad_()
        for tensor in (value, sampling_locations, attention_weights)
    ]
    with torch.enable_grad():
        output = ms_deform_attn_forward(
            leaves[0],
            value_spatial_shapes,
            value_level_start_index,
            leaves[1],
            leaves[2],
            im2col_step,
        )
    grads = torch.autograd.grad(output, leaves, grad_output.to(output.dtype))
    outputs = (grad_value, grad_sampling_loc, grad_attn_weight)
    for target, grad in zip(outputs, grads, strict=True):
        target.copy_(grad)
