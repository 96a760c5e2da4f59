"""The losses of lightly: the same values and the same gradients.

SimCLR, BYOL and MoCo on the encoder of projects/photographs; DINO, iBOT and
SwAV from scores on; in float64. They need lightly
(requirements/calibration.txt) and run by ``make test-calibration``.
"""

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from toy.recipes import ROOT

from m3i_mm.models.pretrainers import Features, SoftCategorical
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


# ----------------------------------------- DINO, iBOT, SwAV: the likelihoods

IMAGES, PROTOTYPES, PATCHES = 6, 20, 4


def scores(*shape):
    return torch.randn(*shape, PROTOTYPES, requires_grad=True)


def equal(found, expected, prediction):
    torch.testing.assert_close(found, expected)
    gradients = [
        torch.autograd.grad(value, prediction, retain_graph=True)
        for value in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


def pairs(score):
    """Average over pairs of a view and another large one."""
    terms = [score(v, w) for v in range(4) for w in range(2) if v != w]
    return sum(terms) / len(terms)


def centred():
    center = dict(type='Centering', num_prototypes=PROTOTYPES)
    return SoftCategorical(center, temperature=0.1).train()


def test_dino_and_its_center():
    likelihood, reference = centred(), loss.DINOLoss(PROTOTYPES).double()
    for _ in range(3):
        teacher = [scores(IMAGES).detach() for _ in range(2)]
        student = [scores(IMAGES) for _ in range(4)]
        found = pairs(
            lambda v, w, s=student, t=teacher: likelihood(
                s[v], Features(t[w])
            ).mean()
        )
        likelihood.finish()
        equal(found, reference(teacher, student), student)
    center = likelihood.assignment.center
    torch.testing.assert_close(center, reference.center.flatten())


def test_ibot_and_its_center():
    likelihood = centred()
    reference = loss.IBOTPatchLoss(
        PROTOTYPES, teacher_temp=0.04, student_temp=0.1
    ).double()
    hidden = torch.rand(IMAGES, 9).argsort(1) < PATCHES
    for _ in range(3):
        teacher, student = scores(IMAGES, 9).detach(), scores(IMAGES, 9)
        shape = (IMAGES, PATCHES, PROTOTYPES)
        found = likelihood(
            student[hidden].view(shape), Features(teacher[hidden].view(shape))
        ).mean()
        likelihood.finish()
        expected = reference(
            teacher[hidden], student[hidden], hidden.view(IMAGES, 3, 3)
        )
        equal(found, expected, student)


def test_swav():
    likelihood = SoftCategorical(dict(type='Sinkhorn'), temperature=0.1)
    reference = loss.SwaVLoss(sinkhorn_gather_distributed=False)
    views = [scores(IMAGES) for _ in range(4)]
    units = [torch.nn.functional.normalize(view, dim=1) for view in views]
    found = pairs(lambda v, w: likelihood(units[v], Features(units[w])).mean())
    equal(found, reference(units[:2], units[2:]).squeeze(), views)
