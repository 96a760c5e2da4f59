"""SigLIP, SupCon, DINO, iBOT and SwAV against open_clip or plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from torch.nn import functional as F
from toy.ranks import run_two_processes
from toy.recipes import ROOT

from m3i_mm.datasets.fields import Annotations
from m3i_mm.models.pretrainers import (
    Centering,
    Contrast,
    Features,
    SigmoidContrast,
    Sinkhorn,
    SoftCategorical,
    SupervisedContrast,
)
from m3i_mm.registry import MODELS

VIT = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32
    ),
    img_size=32,
    patch_size=8,
    out_type='featmap',
)
HEAD = dict(
    type='m3i_mm.PrototypeHead',
    in_channels=16,
    num_prototypes=10,
    hidden_channels=12,
    bottleneck_channels=6,
)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    DefaultScope._instance_dict.clear()


def units(*shape):
    return F.normalize(torch.randn(*shape), dim=-1).requires_grad_()


# --------------------------------------------------------------------- SigLIP


def test_siglip_is_the_loss_of_open_clip():
    from open_clip.loss import SigLipLoss

    likelihood = SigmoidContrast(temperature=0.2, bias=-3.0)
    image, text = (torch.randn(7, 16, requires_grad=True) for _ in range(2))
    loss = likelihood(image, Features(text)).mean()
    ours = torch.autograd.grad(
        loss, [image, text, likelihood.log_temperature, likelihood.bias]
    )
    scale = torch.tensor(5.0).log().requires_grad_()
    bias = torch.tensor([-3.0], requires_grad=True)
    expected = SigLipLoss()(
        F.normalize(image, dim=-1),
        F.normalize(text, dim=-1),
        scale.exp(),
        bias,
    )
    theirs = torch.autograd.grad(expected, [image, text, scale, bias])
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours[:2], theirs[:2])
    torch.testing.assert_close(ours[2].squeeze(0), -theirs[2])
    torch.testing.assert_close(ours[3], theirs[3])


def test_siglip_leaves_out_what_has_no_text():
    likelihood = SigmoidContrast()
    image, text = torch.randn(5, 8), torch.randn(5, 8)
    valid = torch.tensor([True, True, False, True, False])
    losses = likelihood(image, Features(text, valid))
    alone = likelihood(image[valid], Features(text[valid]))
    torch.testing.assert_close(losses[valid], alone)


def test_siglip_learns_scale_and_bias_from_the_paper():
    likelihood = SigmoidContrast()
    assert likelihood.temperature.item() == pytest.approx(0.1)
    assert likelihood.bias.item() == -10
    names = {name for name, _ in likelihood.named_parameters()}
    assert names == {'log_temperature', 'bias'}
    fixed = SigmoidContrast(learnable=False)
    assert not list(fixed.parameters())


# --------------------------------------------------------------------- SupCon


def slow_supcon(first, second, classes, temperature):
    """Loop over anchors, positives and all others (Khosla et al., eq. 2)."""
    count = len(first)
    views = [*second, *first]  # of image number n % count
    losses = []
    for anchor in range(count):
        others = [n for n in range(2 * count) if n != count + anchor]
        total = sum(
            math.exp(float(first[anchor] @ views[n]) / temperature)
            for n in others
        )
        positives = [
            n
            for n in others
            if n == anchor
            or (classes[n % count] == classes[anchor] and classes[anchor] >= 0)
        ]
        losses.append(
            -sum(
                float(first[anchor] @ views[p]) / temperature - math.log(total)
                for p in positives
            )
            / len(positives)
        )
    return torch.tensor(losses)


def test_supcon_is_a_sum_over_positives():
    first, second = units(6, 5), units(6, 5)
    classes = torch.tensor([0, 1, 0, -1, 1, -1])
    likelihood = SupervisedContrast(temperature=0.3)
    losses = likelihood(first, Features(second, classes=classes))
    expected = slow_supcon(first.detach(), second.detach(), classes, 0.3)
    torch.testing.assert_close(losses.detach(), expected)
    assert torch.autograd.gradcheck(
        lambda a, b: likelihood(a, Features(b, classes=classes)),
        (first, second),
    )


def test_supcon_without_labels_is_simclr():
    first, second = units(6, 5), units(6, 5)
    labels = torch.full((6,), -1)
    simclr = Contrast(
        temperature=0.1,
        normalize=True,
        negatives=dict(type='BatchNegatives', own_view=True),
    )
    torch.testing.assert_close(
        SupervisedContrast()(first, Features(second, classes=labels)),
        simclr(first, Features(second)),
    )


def test_supcon_asks_for_classes():
    with pytest.raises(ValueError, match="classes='gt_label' of GlobalFeat"):
        SupervisedContrast()(units(4, 3), Features(units(4, 3)))


def test_samples_without_a_label_have_no_class():
    from mmpretrain.structures import DataSample

    cfg = row('supcon')
    cfg['neck'] = None
    cfg['objectives']['y']['likelihood']['temperature'] = 0.5
    model = MODELS.build(cfg)
    samples = [DataSample() for _ in range(4)]
    inputs = [torch.randn(4, 3, 32, 32) for _ in range(2)]
    without = model.loss(inputs, samples)['loss_y']
    samples[0].set_gt_label(7)
    samples[2].set_gt_label(7)
    annotations = Annotations.stack(samples)
    features = [model.encode(view).mean() for view in inputs]
    classes = torch.tensor([7, -1, 7, -1])
    likelihood = model.objectives['y'].likelihood
    expected = [
        likelihood(a, Features(b, classes=classes)).mean()
        for a, b in (features, features[::-1])
    ]
    loss = model.loss(inputs, annotations)['loss_y']
    torch.testing.assert_close(loss, sum(expected) / 2)
    assert loss != without


# ----------------------------------------------------------------- prototypes


def row(name, **changes):
    """A row of projects/instances on a small ViT, with few prototypes."""
    path = ROOT / f'projects/instances/configs/_base_/{name}.py'
    cfg = Config.fromfile(path).model.to_dict()
    cfg['backbone'] = VIT
    if name in ('dino', 'ibot', 'swav'):
        cfg['neck'] = dict(HEAD, dense=name == 'ibot')
        for objective in cfg['objectives'].values():
            assignment = objective['likelihood']['assignment']
            if 'num_prototypes' in assignment:
                assignment['num_prototypes'] = 10
    if name == 'ibot':
        cfg['input']['fill']['embed_dims'] = 16
        cfg['input']['patch_size'] = 8
    return {**cfg, **changes}


def crops():
    return [torch.randn(5, 3, size, size) for size in (32, 32, 16, 16, 16)]


def scores(head, tokens):
    """DINO's head by hand: MLP, unit length, cosines with prototypes."""
    for layer in head.mlp:
        tokens = layer(tokens)
    tokens = tokens / tokens.norm(dim=-1, keepdim=True)
    weight = head.prototypes
    return tokens @ (weight / weight.norm(dim=-1, keepdim=True)).T


def embed(encoder, images):
    return encoder.backbone(images)[-1].mean((2, 3))


def cross_entropy(target, logits):
    return -(target * logits.log_softmax(-1)).sum(-1).mean()


def test_dino_is_a_sum_over_pairs_of_views():
    model = MODELS.build(row('dino'))
    with torch.no_grad():
        for parameter in model.momentum_encoder.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    center = torch.zeros(10)
    assignment = model.objectives['y'].likelihood.assignment
    for _ in range(2):
        views = crops()
        student = [scores(model.neck, embed(model, view)) for view in views]
        with torch.no_grad():
            teacher = [
                scores(
                    model.momentum_encoder.neck,
                    embed(model.momentum_encoder, view),
                )
                for view in views[:2]
            ]
        terms = [
            cross_entropy(
                ((teacher[whole] - center) / 0.04).softmax(-1),
                student[view] / 0.1,
            )
            for whole in range(2)
            for view in range(5)
            if view != whole
        ]
        loss = model.loss(views)['loss_y']
        torch.testing.assert_close(loss, sum(terms) / len(terms))
        weight = model.backbone.patch_embed.projection.weight
        torch.testing.assert_close(
            torch.autograd.grad(loss, weight, retain_graph=True),
            torch.autograd.grad(sum(terms) / len(terms), weight),
        )
        center = 0.9 * center + 0.1 * torch.cat(teacher).mean(0)
        torch.testing.assert_close(assignment.center, center)
    assert center.abs().max() > 0


def test_ibot_scores_hidden_patches_and_the_other_view():
    model = MODELS.build(row('ibot'))
    views = crops()[:2]
    patterns = []
    draw = model.input.pattern.forward

    def remember(*args):
        patterns.append(draw(*args))
        return patterns[-1]

    model.input.pattern.forward = remember
    losses = model.loss(views)
    teacher = [
        model.momentum_encoder.backbone(view)[-1].flatten(2).mT
        for view in views
    ]
    head = model.momentum_encoder.neck
    images, patches = [], []
    for number, (view, pattern) in enumerate(
        zip(views, patterns, strict=True)
    ):
        step = model.input.fill(view, pattern)
        seen = step.encode(model.backbone, None, view).values
        hidden = pattern.cells.flatten(1)
        target = (scores(head, teacher[number]) / 0.04).softmax(-1)
        logits = scores(model.neck, seen) / 0.1
        patches.append(cross_entropy(target[hidden], logits[hidden]))
        other = (scores(head, teacher[1 - number].mean(1)) / 0.04).softmax(-1)
        images.append(
            cross_entropy(other, scores(model.neck, seen.mean(1)) / 0.1)
        )
    torch.testing.assert_close(losses['loss_y'], sum(images) / 2)
    torch.testing.assert_close(losses['loss_patches'], sum(patches) / 2)


def slow_sinkhorn(values, temperature, iterations):
    """Rows are prototypes here, as in the papers."""
    table = (values / temperature).exp().T
    prototypes, samples = table.shape
    table = table / table.sum()
    for _ in range(iterations):
        for k in range(prototypes):
            table[k] = table[k] / table[k].sum() / prototypes
        for n in range(samples):
            table[:, n] = table[:, n] / table[:, n].sum() / samples
    return table.T * samples


@pytest.mark.parametrize('iterations', [1, 3])
def test_sinkhorn(iterations):
    values = units(12, 4).detach()
    found = Sinkhorn(0.2, iterations)(values)
    torch.testing.assert_close(found, slow_sinkhorn(values, 0.2, iterations))
    converged = Sinkhorn(0.2, 50)(values)
    torch.testing.assert_close(converged.sum(1), torch.ones(12))
    torch.testing.assert_close(converged.sum(0), torch.full((4,), 3.0))
    dense = Sinkhorn(0.2, iterations)(values.view(3, 4, 4))
    torch.testing.assert_close(dense.flatten(0, 1), found)


def test_sinkhorn_of_scores_that_lie_far_apart():
    values = torch.tensor([[0.0, 900.0], [0.0, -900.0]])
    assert Sinkhorn()(values.float()).isfinite().all()


def test_swav_is_a_sum_over_pairs_of_views():
    model = MODELS.build(row('swav'))
    views = crops()
    student = [scores(model.neck, embed(model, view)) for view in views]
    terms = [
        cross_entropy(
            slow_sinkhorn(student[whole].detach(), 0.05, 3),
            student[view] / 0.1,
        )
        for whole in range(2)
        for view in range(5)
        if view != whole
    ]
    loss = model.loss(views)['loss_y']
    torch.testing.assert_close(loss, sum(terms) / len(terms))


def test_evaluated_is_what_comes_before_the_prototypes():
    model = MODELS.build(row('dino'))
    model.eval()
    image = torch.randn(2, 3, 32, 32)
    samples = model.predict(image)
    torch.testing.assert_close(samples[0].feature, embed(model, image)[0])


def test_center_rests_in_evaluation():
    assignment = Centering(4).eval()
    assignment(units(3, 4))
    assignment.finish()
    assert not assignment.center.any()


def test_different_prototypes_are_explained():
    likelihood = SoftCategorical(dict(type='Sinkhorn'))
    with pytest.raises(ValueError, match='the same prototypes'):
        likelihood(units(2, 4), Features(units(2, 5)))


def test_a_neck_of_maps_does_not_take_masked_tokens():
    cfg = row('ibot', neck=dict(type='GlobalAveragePooling'))
    with pytest.raises(ValueError, match='a neck like PrototypeHead'):
        MODELS.build(cfg).loss(crops()[:2])


# ------------------------------------------------------------------ two ranks


def likelihoods():
    return [
        SigmoidContrast(),
        SupervisedContrast(),
        SoftCategorical(dict(type='Centering', num_prototypes=5)),
        SoftCategorical(dict(type='Sinkhorn')),
    ]


def score(rank, folder):
    import torch.distributed

    init_default_scope('mmpretrain')
    torch.set_default_dtype(torch.float64)
    torch.distributed.init_process_group('gloo')
    data = torch.load(f'{folder}/data.pth')
    half = slice(3 * rank, 3 * rank + 3)
    results = []
    for likelihood in likelihoods():
        image, values = (data[n].clone().requires_grad_() for n in range(2))
        target = Features(values[half], classes=data[2][half])
        loss = likelihood(image[half], target).mean()
        gradient = torch.autograd.grad(
            loss, [image, values], allow_unused=True
        )
        if hasattr(likelihood, 'finish'):
            likelihood.finish()
            loss = likelihood(image[half], target).mean()
        results.append((loss.detach(), gradient))
    torch.save(results, f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


def test_two_ranks_are_one_batch(tmp_path):
    data = [units(6, 5).detach(), units(6, 5).detach()]
    data.append(torch.tensor([0, 1, -1, 0, 1, 0]))
    torch.save(data, tmp_path / 'data.pth')
    run_two_processes(score, str(tmp_path), method='spawn')
    ranks = [torch.load(tmp_path / f'{rank}.pth') for rank in range(2)]
    for likelihood, *found in zip(likelihoods(), *ranks, strict=True):
        image, values = (
            tensor.clone().requires_grad_() for tensor in data[:2]
        )
        target = Features(values, classes=data[2])
        loss = likelihood(image, target).mean()
        gradient = torch.autograd.grad(
            loss, [image, values], allow_unused=True
        )
        if hasattr(likelihood, 'finish'):
            likelihood.finish()
            loss = likelihood(image, target).mean()
        mean = (found[0][0] + found[1][0]) / 2
        torch.testing.assert_close(mean, loss.detach())
        for number, expected in enumerate(gradient):
            if expected is not None:
                parts = [rank[1][number] for rank in found]
                torch.testing.assert_close(sum(parts) / 2, expected)
