"""Deformable convolution, plain (ICCV 2017) and modulated (CVPR 2019).

torchvision's op computes both, with the channels of offset and mask in the
same order. MMCV's buffers ``columns`` and ``ones`` and the batch slice
``im2col_step`` belong to its own kernels and have no effect here.
"""

from __future__ import annotations

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor

from .precision import at_least_float32

__all__ = [
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
]


# the arguments of torchvision's ops in their order, by MMCV's names
PLAIN = (
    'dH',
    'dW',
    'padH',
    'padW',
    'dilationH',
    'dilationW',
    'group',
    'deformable_group',
)
MODULATED = (
    'stride_h',
    'stride_w',
    'pad_h',
    'pad_w',
    'dilation_h',
    'dilation_w',
    'group',
    'deformable_group',
)


def _operands(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
) -> list[Tensor]:
    """Return the tensor arguments of torchvision's ops, in their order."""
    if mask is None:
        mask = input.new_empty(len(input), 0)
    if bias is None:
        bias = input.new_zeros(weight.shape[0])
    operands = (input, weight, offset, mask, bias)
    return [at_least_float32(tensor) for tensor in operands]


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry: int,
) -> None:
    """Write the deformable convolution of the input into ``output``.

    Args:
        input (Tensor): (B, C, H, W).
        weight (Tensor): (O, C / group, kH, kW).
        offset (Tensor): (B, deformable_group * kH * kW * 2, OH, OW), (y, x)
            for each point of the kernel, in pixels.
        output (Tensor): (B, O, OH, OW). Output.
        columns (Tensor): Not used.
        ones (Tensor): Not used.
        **geometry (int): Stride ``dH, dW``, padding ``padH, padW``, dilation
            ``dilationH, dilationW``, ``group`` and ``deformable_group``, of
            which each has its own offsets. Not used: the kernel size
            ``kH, kW``, which the weight tells, and ``im2col_step``.
    """
    output.copy_(
        torch.ops.torchvision.deform_conv2d(
            *_operands(input, weight, offset, None, None),
            *(geometry[name] for name in PLAIN),
            False,
        )
    )


def _plain_backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    geometry: dict[str, int],
) -> tuple[Tensor, ...]:
    """Return the derivatives by input, weight and offset, then unused ones."""
    return torch.ops.torchvision._deform_conv2d_backward(
        at_least_float32(grad_output),
        *_operands(input, weight, offset, None, None),
        *(geometry[name] for name in PLAIN),
        False,
    )


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry: int,
) -> None:
    """Write the derivatives into ``gradInput`` and ``gradOffset``.

    The other arguments are those of :func:`deform_conv_forward`.
    """
    grads = _plain_backward(gradOutput, input, weight, offset, geometry)
    gradInput.copy_(grads[0])
    gradOffset.copy_(grads[2])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **geometry: int,
) -> None:
    """Add ``scale`` times the derivative by the weight to ``gradWeight``.

    The other arguments are those of :func:`deform_conv_forward`.
    """
    # of the weight, which is not among the arguments, only the shape matters
    grads = _plain_backward(gradOutput, input, gradWeight, offset, geometry)
    gradWeight.add_(grads[1].to(gradWeight), alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Write the modulated deformable convolution into ``output``.

    Args:
        input (Tensor): (B, C, H, W).
        weight (Tensor): (O, C / group, kernel_h, kernel_w).
        bias (Tensor): (O,), or empty.
        ones (Tensor): Not used.
        offset (Tensor): (B, deformable_group * kernel_h * kernel_w * 2, OH,
            OW), (y, x) for each point of the kernel, in pixels.
        mask (Tensor): (B, deformable_group * kernel_h * kernel_w, OH, OW),
            the factor of each point.
        output (Tensor): (B, O, OH, OW). Output.
        columns (Tensor): Not used.
        with_bias (bool): Whether ``bias`` is added.
        **geometry (int): ``stride_h``, ``stride_w``, ``pad_h``, ``pad_w``,
            ``dilation_h``, ``dilation_w``, ``group`` and
            ``deformable_group``. Not used: ``kernel_h`` and ``kernel_w``.
    """
    output.copy_(
        torch.ops.torchvision.deform_conv2d(
            *_operands(
                input, weight, offset, mask, bias if with_bias else None
            ),
            *(geometry[name] for name in MODULATED),
            True,
        )
    )


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry: int,
) -> None:
    """Write the derivatives into the five ``grad_`` tensors.

    The other arguments are those of :func:`modulated_deform_conv_forward`;
    ``grad_bias`` is left alone without a bias.
    """
    grads = torch.ops.torchvision._deform_conv2d_backward(
        at_least_float32(grad_output),
        *_operands(input, weight, offset, mask, None),
        *(geometry[name] for name in MODULATED),
        True,
    )
    outputs = [grad_input, grad_weight, grad_offset, grad_mask]
    if with_bias:
        outputs.append(grad_bias)
    for target, grad in zip(outputs, grads, strict=False):
        target.copy_(grad)
