"""Deformable convolution and attention against their definitions."""

import mmcv_ext_reference as reference
import pytest
import torch
from mmcv import ops
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
)

pytestmark = pytest.mark.openmmlab


def tensors(*shapes, scale=1.0):
    generator = torch.Generator().manual_seed(len(shapes))
    return [
        (
            scale * torch.randn(*shape, generator=generator).double()
        ).requires_grad_()
        for shape in shapes
    ]


def check_with_gradients(output, expected, inputs):
    torch.testing.assert_close(output, expected)
    factor = torch.linspace(-1, 1, output.numel()).double().view_as(output)
    gradients = [
        torch.autograd.grad((result * factor).sum(), inputs)
        for result in (output, expected)
    ]
    torch.testing.assert_close(*gradients)


SETTINGS = [
    # kernel, stride, padding, dilation, groups, groups of offsets
    ((3, 3), (1, 1), (1, 1), (1, 1), 1, 1),
    ((3, 2), (2, 1), (0, 2), (1, 2), 2, 1),
    ((1, 3), (1, 2), (2, 0), (3, 1), 1, 2),
    ((2, 2), (2, 2), (1, 1), (2, 2), 4, 4),
]


def operands(kernel, stride, padding, dilation, groups, deform_groups):
    size = [
        (length + 2 * padding[k] - dilation[k] * (kernel[k] - 1) - 1)
        // stride[k]
        + 1
        for k, length in enumerate((5, 6))
    ]
    points = deform_groups * kernel[0] * kernel[1]
    return tensors(
        (2, 4, 5, 6),
        (2, 2 * points, *size),
        (2, points, *size),
        (4, 4 // groups, *kernel),
        (4,),
    )


@pytest.mark.parametrize('setting', SETTINGS)
def test_modulated_deform_conv(setting):
    _, *geometry = setting
    input, offset, mask, weight, bias = inputs = operands(*setting)
    output = ops.modulated_deform_conv2d(*inputs, *geometry)
    expected = reference.deform_conv(
        input, offset, mask, weight, *geometry[:3], geometry[4]
    )
    expected = expected + bias[:, None, None]
    check_with_gradients(output, expected, inputs)


@pytest.mark.parametrize('setting', SETTINGS)
def test_deform_conv(setting):
    _, *geometry = setting
    input, offset, mask, weight, _ = operands(*setting)
    output = ops.deform_conv2d(input, offset, weight, *geometry)
    expected = reference.deform_conv(
        input,
        offset,
        torch.ones_like(mask),
        weight,
        *geometry[:3],
        geometry[4],
    )
    check_with_gradients(output, expected, [input, offset, weight])


def test_modulated_deform_conv_without_bias():
    *inputs, bias = operands(*SETTINGS[0])
    output = ops.modulated_deform_conv2d(*inputs, None, 1, 1)
    with_bias = ops.modulated_deform_conv2d(*inputs, bias, 1, 1)
    torch.testing.assert_close(output, with_bias - bias[:, None, None])
    output.sum().backward()
    assert all(input.grad is not None for input in inputs)


def test_zero_offsets_give_the_ordinary_convolution():
    input, offset, _, weight, _ = operands(*SETTINGS[0])
    output = ops.deform_conv2d(
        input, torch.zeros_like(offset), weight, 1, 1, 1
    )
    expected = torch.nn.functional.conv2d(input, weight, padding=1)
    torch.testing.assert_close(output, expected)


def test_deform_conv_in_half_precision():
    input, offset, _, weight, _ = (
        tensor.detach().bfloat16() for tensor in operands(*SETTINGS[0])
    )
    output = ops.deform_conv2d(input, offset, weight, 1, 1, 1)
    expected = ops.deform_conv2d(
        input.float(), offset.float(), weight.float(), 1, 1, 1
    )
    assert torch.equal(output, expected.bfloat16())


@pytest.mark.parametrize('shapes', [[(3, 4)], [(4, 3), (2, 2), (1, 1)]])
def test_ms_deform_attn(shapes):
    """MMCV calls the op on GPUs only; here on the CPU."""
    levels = len(shapes)
    pixels = sum(height * width for height, width in shapes)
    value, locations, weights = inputs = tensors(
        (2, pixels, 2, 3), (2, 4, 2, levels, 3, 2), (2, 4, 2, levels, 3)
    )
    starts = torch.tensor([h * w for h, w in shapes]).cumsum(0).roll(1)
    starts[0] = 0
    output = MultiScaleDeformableAttnFunction.apply(
        value, torch.tensor(shapes), starts, locations, weights, 64
    )
    expected = reference.ms_deform_attn(value, shapes, locations, weights)
    check_with_gradients(output, expected, inputs)


def test_ms_deform_attn_in_half_precision():
    inputs = tensors((1, 6, 2, 3), (1, 4, 2, 1, 3, 2), (1, 4, 2, 1, 3))
    shapes, starts = torch.tensor([[2, 3]]), torch.tensor([0])
    results = []
    for dtype in (torch.bfloat16, torch.float32):
        value, locations, weights = leaves = [
            tensor.detach().bfloat16().to(dtype).requires_grad_()
            for tensor in inputs
        ]
        with torch.autocast('cpu', torch.bfloat16, dtype != torch.float32):
            output = MultiScaleDeformableAttnFunction.apply(
                value, shapes, starts, locations, weights, 64
            )
        assert output.dtype == dtype
        output.sum().backward()
        results.append([output, *(leaf.grad for leaf in leaves)])
    for half, single in zip(*results, strict=True):
        torch.testing.assert_close(half, single.bfloat16())
