"""Focal losses against their formula, and autograd's gradient of it."""

import pytest
import torch
from mmcv import ops

pytestmark = pytest.mark.openmmlab
CLASSES = 5


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(12, CLASSES, generator=generator, dtype=torch.float64)
    return (4 * logits).requires_grad_()


def focal(p, gamma):
    return -((1 - p) ** gamma) * p.log()


def sigmoid_focal_loss(logits, target, gamma, alpha, weight):
    p = logits.sigmoid()
    loss = torch.empty_like(p)
    for row, label in enumerate(target.tolist()):
        for c in range(CLASSES):
            if c == label:
                loss[row, c] = alpha * focal(p[row, c], gamma)
            else:
                loss[row, c] = (1 - alpha) * focal(1 - p[row, c], gamma)
        if weight is not None:
            loss[row] *= weight[label]
    return loss


def softmax_focal_loss(logits, target, gamma, alpha, weight):
    loss = []
    for row, label in zip(logits.softmax(1), target.tolist(), strict=True):
        factor = 1 if weight is None else weight[label]
        loss.append(factor * alpha * focal(row[label], gamma))
    return torch.stack(loss)


LOSSES = [
    (ops.sigmoid_focal_loss, sigmoid_focal_loss),
    (ops.softmax_focal_loss, softmax_focal_loss),
]


def gradient(loss, logits):
    return torch.autograd.grad(loss, logits)[0]


@pytest.mark.parametrize(('gamma', 'alpha'), [(2.0, 0.25), (1.5, 0.8), (0, 1)])
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(('op', 'formula'), LOSSES)
def test_mean_loss(logits, op, formula, weighted, gamma, alpha):
    target = torch.arange(12) % CLASSES
    weight = torch.linspace(0.5, 2, CLASSES).double() if weighted else None
    loss = op(logits, target, gamma, alpha, weight, 'mean')
    # MMCV's mean is over rows, not over rows and classes
    expected = formula(logits, target, gamma, alpha, weight).sum() / 12
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        gradient(loss, logits), gradient(expected, logits)
    )


def test_loss_of_each_class(logits):
    target = torch.arange(12) % CLASSES
    arguments = (logits, target, 2.0, 0.25, None)
    loss = ops.sigmoid_focal_loss(*arguments, 'none')
    expected = sigmoid_focal_loss(*arguments)
    torch.testing.assert_close(loss, expected)
    factor = torch.linspace(-1, 1, loss.numel()).double().view_as(loss)
    torch.testing.assert_close(
        gradient((loss * factor).sum(), logits),
        gradient((expected * factor).sum(), logits),
    )


def test_background_has_only_negatives(logits):
    background = torch.full((12,), CLASSES)
    loss = ops.sigmoid_focal_loss(logits, background, 2.0, 0.25, None, 'none')
    torch.testing.assert_close(loss, 0.75 * focal(1 - logits.sigmoid(), 2.0))


def test_softmax_ignores_negative_targets(logits):
    target = torch.arange(12) % CLASSES
    target[3] = -1
    loss = ops.softmax_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    assert loss[3] == 0
    assert (loss[target >= 0] > 0).all()
    grad = gradient(
        ops.softmax_focal_loss(logits, target, 2.0, 0.25, None, 'sum'), logits
    )
    assert not grad[3].any()


@pytest.mark.parametrize('op', [op for op, _ in LOSSES])
def test_extreme_logits_give_finite_values(op):
    logits = torch.full((2, CLASSES), 300.0)
    logits[:, 0] = -300.0
    logits.requires_grad_()
    loss = op(logits, torch.tensor([0, 1]), 2.0, 0.25, None, 'sum')
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient(loss, logits)).all()


@pytest.mark.parametrize('op', [op for op, _ in LOSSES])
def test_no_rows(op):
    logits = torch.zeros(0, CLASSES, requires_grad=True)
    loss = op(logits, torch.zeros(0).long(), 2.0, 0.25, None, 'sum')
    assert loss == 0
    assert gradient(loss, logits).shape == (0, CLASSES)
