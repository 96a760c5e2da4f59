"""CARAFE, masked convolution and PSA masks, pixel by pixel."""

from itertools import product

import pytest
import torch
from mmcv import ops

pytestmark = pytest.mark.openmmlab


def random(*shape):
    generator = torch.Generator().manual_seed(0)
    tensor = torch.randn(*shape, generator=generator).double()
    return tensor.requires_grad_()


def check_with_gradients(output, expected, inputs):
    torch.testing.assert_close(output, expected)
    factor = torch.linspace(-1, 1, output.numel()).double().view_as(output)
    gradients = [
        torch.autograd.grad((result * factor).sum(), inputs)
        for result in (output, expected)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(('kernel', 'groups', 'scale'), [(3, 2, 2), (5, 1, 3)])
def test_carafe(kernel, groups, scale):
    features = random(2, 4, 3, 4)
    masks = random(2, groups * kernel**2, 3 * scale, 4 * scale)
    output = ops.carafe(features, masks, kernel, groups, scale)
    expected = torch.zeros_like(output)
    around = range(-(kernel // 2), kernel // 2 + 1)
    for c, y, x, (i, dy), (j, dx) in product(
        range(4),
        range(3 * scale),
        range(4 * scale),
        enumerate(around),
        enumerate(around),
    ):
        row, column = y // scale + dy, x // scale + dx
        if 0 <= row < 3 and 0 <= column < 4:
            k = (c * groups // 4 * kernel + i) * kernel + j
            weight = masks[:, k, y, x]
            expected[:, c, y, x] += weight * features[:, c, row, column]
    check_with_gradients(output, expected, [features, masks])
    naive = ops.carafe_naive(features, masks, kernel, groups, scale)
    assert torch.equal(naive, output)


@pytest.mark.parametrize(
    ('kernel', 'padding'), [((3, 3), 1), ((1, 5), (0, 2))]
)
def test_masked_conv(kernel, padding):
    features, weight, bias = (
        random(1, 3, 5, 6),
        random(4, 3, *kernel),
        random(4),
    )
    mask = torch.rand(1, 5, 6, generator=torch.Generator().manual_seed(1))
    mask = (mask > 0.6).double()
    output = ops.masked_conv2d(features, mask, weight, bias, padding)
    full = torch.nn.functional.conv2d(features, weight, bias, 1, padding)
    torch.testing.assert_close(output, full * mask)
    nothing = torch.zeros_like(mask)
    output = ops.masked_conv2d(features, nothing, weight, bias, padding)
    assert not output.any()


@pytest.mark.parametrize('kind', ['collect', 'distribute'])
@pytest.mark.parametrize('window', [(3, 5), (9, 7)])
def test_psa_mask(kind, window):
    height, width = 4, 3
    weights = random(2, window[0] * window[1], height, width)
    output = ops.PSAMask(kind, window)(weights)
    expected = torch.zeros(2, height, width, height, width).double()
    for y, x, i, j in product(
        range(height), range(width), range(window[0]), range(window[1])
    ):
        row, column = y + i - window[0] // 2, x + j - window[1] // 2
        if 0 <= row < height and 0 <= column < width:
            value = weights[:, i * window[1] + j, y, x]
            if kind == 'collect':
                expected[:, row, column, y, x] = value
            else:
                expected[:, y, x, row, column] = value
    check_with_gradients(output, expected.flatten(1, 2), [weights])
