"""DCNv3 from one prediction, step by step in PyTorch, against loops."""

import numpy as np
import pytest
import torch
from dcnv3_reference import Setting, make_prediction, prediction_loops

from m3i_mm.ops import Layout, dcnv3, dcnv3_from_prediction

LAYOUTS = [
    Layout(),
    Layout(softmax=True),
    Layout(softmax=True, gate=True),
    Layout(by_group=True),
    Layout(softmax=True, gate=True, by_group=True),
]


@pytest.mark.parametrize('layout', LAYOUTS, ids=str)
@pytest.mark.parametrize(
    'setting',
    [
        Setting(groups=2),
        Setting(groups=3, stride=2, offset_scale=0.5, remove_center=True),
        Setting(dilation=2, padding=2),
    ],
    ids=str,
)
@pytest.mark.parametrize('backend', ['torch', 'gather'])
def test_equals_loops(setting, layout, backend):
    input, prediction, grad_output = make_prediction(setting, layout)
    inputs = [
        torch.tensor(array, requires_grad=True)
        for array in (input, prediction)
    ]
    output = dcnv3_from_prediction(*inputs, layout, *setting, backend=backend)
    grads = torch.autograd.grad(output, inputs, torch.tensor(grad_output))
    loops = prediction_loops(input, prediction, grad_output, setting, layout)
    for result, expected in zip((output, *grads), loops, strict=True):
        np.testing.assert_allclose(
            result.detach(), expected, rtol=1e-10, atol=1e-10
        )


def test_softmax_keeps_half_precision_under_autocast():
    layout, setting = Layout(softmax=True), Setting(groups=2)
    input, prediction, _ = make_prediction(setting, layout)
    x, logits = (
        torch.tensor(array, dtype=torch.bfloat16)
        for array in (input, prediction)
    )
    with torch.autocast('cpu', torch.bfloat16):
        output = dcnv3_from_prediction(x, logits, layout, *setting)
    offset, mask, _ = logits.split((36, 18, 3), dim=-1)
    mask = mask.unflatten(-1, (2, 9)).softmax(-1).flatten(-2)
    assert output.dtype == torch.bfloat16
    assert torch.equal(output, dcnv3(x, offset, mask, *setting))


@pytest.mark.parametrize('batch', [0, 1])
def test_nothing_to_sample(batch):
    """No images, or a kernel that is nothing but its centre."""
    layout = Layout(softmax=True, gate=True)
    x = torch.randn(batch, 3, 4, 2, requires_grad=True)
    prediction = torch.zeros(batch, 3, 4, 2)
    output = dcnv3_from_prediction(
        *(x, prediction, layout),
        kernel_size=1,
        padding=0,
        groups=2,
        remove_center=True,
    )
    assert torch.equal(output, x / 2)
    output.sum().backward()


def test_says_what_does_not_fit():
    x = torch.randn(1, 4, 5, 4)
    layout = Layout(softmax=True, gate=True)
    with pytest.raises(ValueError, match=r'at least 56\), got \(1, 4, 5, 55'):
        dcnv3_from_prediction(x, torch.randn(1, 4, 5, 55), layout, groups=2)
    with pytest.raises(ValueError, match='needs padding=1 here, got 0'):
        dcnv3_from_prediction(
            x, torch.randn(1, 2, 3, 56), layout, padding=0, groups=2
        )
    with pytest.raises(ValueError, match=r'offset .* \(1, 4, 5, 36\)'):
        dcnv3_from_prediction(x, torch.randn(1, 4, 4, 56), layout, groups=2)
    with pytest.raises(ValueError, match='stride must be at least 1, got 0'):
        dcnv3_from_prediction(
            x, torch.randn(1, 4, 5, 56), layout, stride=0, groups=2
        )
