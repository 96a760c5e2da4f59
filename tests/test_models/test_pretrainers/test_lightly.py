"""SimCLR, BYOL and MoCo of lightly: the same loss and the same gradients.

On the encoder of projects/photographs, in float64. They need lightly
(requirements/calibration.txt) and run by ``make test-calibration``.
"""

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from toy.recipes import ROOT

import m3i_mm.models  # noqa: F401
from m3i_mm.registry import MODELS

loss = pytest.importorskip('lightly.loss')
pytestmark = pytest.mark.calibration

ROW = ROOT / 'projects/photographs/configs'
SUFFIX = '_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
QUEUE = 32


@pytest.fixture(autouse=True)
def _double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def build(row, **objective):
    cfg = Config.fromfile(ROW / f'{row}{SUFFIX}').model
    cfg.objectives.y = {**cfg.objectives.y.to_dict(), **objective}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = revert_sync_batchnorm(MODELS.build(cfg))
    model.init_weights()
    return model.double().train()


def project(model, view):
    return model.neck(model.backbone(view))[0]


def keys(model, view):
    """The momentum encoder begins as a copy of the online one."""
    return project(model, view).detach()


def predict(model, view):
    return model.decoders['y'].layers[0]([project(model, view)])[0]


def compare(model, expected, views, factor=1.0, offset=0.0):
    wanted = torch.autograd.grad(expected, list(model.backbone.parameters()))
    found = model.loss(views)['loss_y']
    torch.testing.assert_close(found, factor * expected + offset)
    found.backward()
    for parameter, gradient in zip(
        model.backbone.parameters(), wanted, strict=True
    ):
        torch.testing.assert_close(
            parameter.grad, factor * gradient, rtol=1e-6, atol=1e-10
        )


@pytest.fixture
def views():
    return [torch.randn(6, 3, 32, 32) for _ in range(2)]


def test_simclr(views):
    model = build('simclr')
    outputs = [project(model, view) for view in views]
    compare(model, loss.NTXentLoss(temperature=0.1)(*outputs), views)


def test_byol(views):
    model = build(
        'mocov3',
        likelihood=dict(type='Gaussian', normalize=True),
    )
    cosine = loss.NegativeCosineSimilarity()
    first, second = views
    expected = 0.5 * (
        cosine(predict(model, first), keys(model, second))
        + cosine(predict(model, second), keys(model, first))
    )
    # 2 - 2 cos, of both directions
    compare(model, expected, views, factor=4.0, offset=4.0)


def test_moco_with_a_queue(views):
    model = build(
        'mocov3',
        weight=1.0,
        decoder=dict(type='PoolingDecoder'),
        likelihood=dict(
            type='Contrast',
            temperature=0.1,
            normalize=True,
            negatives=dict(
                type='QueueNegatives', embed_dims=128, length=QUEUE
            ),
        ),
    )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model.input = MODELS.build(dict(type='m3i_mm.SingleView'))
    theirs = loss.NTXentLoss(0.1, memory_bank_size=(QUEUE, 128)).double()
    negatives = model.objectives['y'].likelihood.negatives
    theirs.memory_bank.bank.copy_(negatives.queue)
    for _ in range(2):
        model.zero_grad()
        first, second = views
        expected = theirs(project(model, first), keys(model, second))
        compare(model, expected, views)
        # both have put the keys in
        torch.testing.assert_close(negatives.queue, theirs.memory_bank.bank)
