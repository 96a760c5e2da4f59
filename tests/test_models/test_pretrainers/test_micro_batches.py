"""A batch in parts has the gradient of the whole, in float64."""

from __future__ import annotations

import copy
import logging

import pytest
import torch
from m3i_cases import VIT, WIDTH, m3i_config, make_samples
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import nn
from toy.ranks import run_two_processes
from toy.views import ChessboardMix  # noqa: F401

from m3i_mm.models.pretrainers import (
    ChannelStatistics,
    Contrast,
    Features,
    SigmoidContrast,
)
from m3i_mm.models.utils.recompute import recomputed
from m3i_mm.registry import MODELS

pytestmark = pytest.mark.openmmlab


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def config(**changes):
    """M3I without chance: one view, texts, categories, patches."""
    cfg = m3i_config(input=dict(type='SingleView'), **changes)
    cfg['objectives'].pop('inter', None)  # places are of single precision
    for objective in cfg['objectives'].values():
        objective.pop('members', None)
    return cfg


def gradients(model, views, samples):
    model.zero_grad()
    losses = model.loss(views, samples)
    sum(v for k, v in losses.items() if k.startswith('loss_')).backward()
    return losses, {
        name: p.grad.clone()
        for name, p in model.named_parameters()
        if p.grad is not None
    }


def build(cfg):
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model.double().train()


@pytest.mark.parametrize('size', [1, 3, 8])
def test_loss_and_gradient_are_exact(size):
    whole, parts = build(config()), build(config(micro_batch=size))
    views = [torch.randn(8, 3, 32, 32) for _ in range(2)]
    samples = make_samples()
    del samples[2].gt_label, samples[5].text_tokens
    losses, expected = gradients(whole, views, samples)
    found_losses, found = gradients(parts, views, samples)
    torch.testing.assert_close(found_losses, losses)
    torch.testing.assert_close(found, expected)
    assert len(found) > 50


def test_a_mix_stays_in_its_part():
    cfg = m3i_config(input=dict(type='ChessboardMix', patch_size=8))
    del cfg['objectives']['inter']
    cfg['objectives']['intra']['members'] = (0, 1)
    whole, parts = build(cfg), build(dict(cfg, micro_batch=4))
    views = [torch.randn(8, 3, 32, 32) for _ in range(2)]
    _, expected = gradients(whole, views, make_samples())
    _, found = gradients(parts, views, make_samples())
    torch.testing.assert_close(found, expected)


def test_masks_are_drawn_again_as_they_were():
    cfg = config(micro_batch=4)
    cfg['input'] = dict(type='PatchMask', patch_size=8)
    slope_is_gradient(build(cfg))


def test_dropout_and_drop_path_are_replayed():
    vit = dict(VIT, drop_rate=0.2, drop_path_rate=0.3)
    slope_is_gradient(build(config(backbone=vit, micro_batch=3)))


def slope_is_gradient(model):
    """The gradient is that of the loss which was computed."""
    views = [torch.randn(8, 3, 32, 32) for _ in range(2)]
    samples = make_samples()

    def loss():
        torch.manual_seed(1)
        losses = model.loss(views, samples)
        return sum(v for k, v in losses.items() if k.startswith('loss_'))

    weight = model.backbone.layers[0].ffn.layers[1].weight
    (gradient,) = torch.autograd.grad(loss(), weight)
    direction = torch.randn_like(weight)
    step = 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.add_(sign * step * direction)
        values.append(loss().item())
        with torch.no_grad():
            weight.sub_(sign * step * direction)
    slope = (values[0] - values[1]) / (2 * step)
    found = (gradient * direction).sum().item()
    assert found == pytest.approx(slope, rel=1e-5)


def test_activations_of_one_part_are_kept():
    """What autograd saves does not grow with the number of parts."""
    views = [torch.randn(8, 3, 32, 32) for _ in range(2)]
    samples = make_samples()
    counts = {}
    for size in (None, 2):
        saved = []
        model = build(config(micro_batch=size))

        def pack(tensor, saved=saved):
            saved.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            model.loss(views, samples)
        counts[size] = sum(saved)
    assert counts[2] < counts[None] / 5


def test_statistics_move_once():
    norm = nn.BatchNorm1d(4)
    statistics = ChannelStatistics(4)
    module = nn.Sequential(nn.Linear(4, 4), norm, statistics).train()
    other = copy.deepcopy(module)
    values = torch.randn(6, 4, requires_grad=True)
    other(values).sum().backward()
    recomputed(module, module, values).sum().backward()
    for name, expected in other.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], expected)
    assert statistics.counting


@pytest.mark.parametrize('dense', [False, True])
@pytest.mark.parametrize('size', [1, 4, 9])
def test_logits_in_chunks(size, dense):
    shape = (7, 3, 5) if dense else (7, 5)
    image, text = (torch.randn(shape, requires_grad=True) for _ in range(2))
    valid = torch.tensor([True] * 5 + [False] * 2)
    likelihoods = [
        (Contrast, dict(normalize=True, symmetric=not dense)),
        (SigmoidContrast, {}),
    ]
    for kind, settings in likelihoods[: 1 if dense else 2]:
        results = []
        for chunk in (None, size):
            likelihood = kind(learnable=True, chunk_size=chunk, **settings)
            loss = likelihood(image, Features(text, valid))[valid].mean()
            inputs = [image, text, *likelihood.parameters()]
            results.append((loss, torch.autograd.grad(loss, inputs)))
        torch.testing.assert_close(*results)


def score(rank, folder):
    """Two ranks of four images, each in parts of two."""
    init_default_scope('mmpretrain')
    torch.distributed.init_process_group('gloo')
    torch.set_default_dtype(torch.float64)
    data = torch.load(f'{folder}/data.pth')
    model = build(clip(micro_batch=2))
    wrapped = nn.parallel.DistributedDataParallel(model)
    rows = slice(4 * rank, 4 * rank + 4)
    samples = make_samples()[rows]
    losses = wrapped([v[rows] for v in data], samples, mode='loss')
    losses['loss_text'].backward()
    gradient = {n: p.grad for n, p in model.named_parameters()}
    torch.save(gradient, f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


def clip(**changes):
    text = config()['objectives']['text']
    return config(
        objectives=dict(text=text),
        decoders=None,
        momentum_encoder=None,
        **changes,
    )


def test_two_ranks_in_parts_are_one_batch(tmp_path):
    data = [torch.randn(8, 3, 32, 32)]
    torch.save(data, tmp_path / 'data.pth')
    run_two_processes(score, str(tmp_path), method='spawn')
    model = build(clip())
    _, expected = gradients(model, data, make_samples())
    for rank in range(2):
        torch.testing.assert_close(
            torch.load(tmp_path / f'{rank}.pth'), expected
        )


def test_mistakes_and_batch_norm_are_told(monkeypatch):
    with pytest.raises(ValueError, match='=3, but PatchMix takes 2 images'):
        MODELS.build(m3i_config(micro_batch=3))
    with pytest.raises(ValueError, match='exclude each other'):
        MODELS.build(config(micro_batch=2, compile=True))
    said = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(
        logger, 'log', lambda level, text: said.append((level, text))
    )
    neck = dict(
        type='NonLinearNeck',
        in_channels=WIDTH,
        hid_channels=8,
        out_channels=WIDTH,
        norm_cfg=dict(type='BN1d'),
    )
    MODELS.build(config(micro_batch=4, neck=neck))
    assert any(
        level == logging.WARNING and 'by the 4 images' in text
        for level, text in said
    )
