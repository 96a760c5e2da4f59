"""Models of others in projects/photographs: what they are held against."""

import sys
from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from toy.recipes import samples

from m3i_mm.registry import MODELS
from m3i_mm.runs.reading import read_config

PROJECT = Path(__file__).parents[2] / 'projects/photographs'
sys.path.insert(0, str(PROJECT))

import calibrate  # noqa: E402
import rows  # noqa: E402


def build(name):
    cfg = read_config(str(rows.CONFIGS / 'calibration' / f'{name}.py'))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    return model


def trained(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def step(model):
    hub = MessageHub.get_current_instance()
    hub.update_info('iter', 0)
    hub.update_info('max_iters', 10)
    torch.manual_seed(0)
    views = [torch.randn(4, 3, 32, 32) for _ in range(2)]
    losses = model(views, samples(), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    return total.item()


def pairs():
    for ours, theirs in calibrate.PAIRS.items():
        marks = [pytest.mark.calibration] * theirs.endswith('lightly')
        yield pytest.param(ours, theirs, marks=marks)


@pytest.mark.parametrize(('ours', 'theirs'), pairs())
def test_a_pair_trains_the_same_parameters(ours, theirs):
    if theirs.endswith('lightly'):
        pytest.importorskip('lightly')
    one, other = build(ours), build(theirs)
    assert trained(one) == trained(other)
    other.backbone.load_state_dict(one.backbone.state_dict())
    assert other.extract_feat(torch.randn(2, 3, 32, 32))[-1].shape == (
        *(2, 128, 4, 4),
    )
    for model in (one, other):
        assert step(model) > 0
        grads = [p.grad for p in model.backbone.parameters()]
        assert all(g is not None and g.isfinite().all() for g in grads)


def test_only_pairs_can_be_chosen(capsys):
    with pytest.raises(SystemExit):
        calibrate.main(['--pairs', 'simsiam'])
    assert 'mocov3' in capsys.readouterr().err
