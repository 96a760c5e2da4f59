"""configs/m3i and projects/instances: every recipe is built, and steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from toy.recipes import FILES, distinct, samples, shrink, stand_in, views

import m3i_mm.engine
import m3i_mm.models  # noqa: F401
from m3i_mm.evaluation.metrics import build_metrics
from m3i_mm.models.pretrainers.targets import TextTarget
from m3i_mm.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS

pytestmark = pytest.mark.openmmlab
SETS = ('bank', 'others', 'seen', 'unseen')


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def identify(path):
    return path.stem


@pytest.mark.parametrize('path', FILES, ids=identify)
def test_recipe_is_built_as_it_is(path):
    cfg = Config.fromfile(path)
    # ResNet reads numbers from tensors while it is built
    small = 'ResNet' in cfg.model.backbone.type
    with torch.device('cpu' if small else 'meta'):
        model = MODELS.build(stand_in(cfg.model))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained > 1e6
    # the optimiser finds a learning rate for every trained parameter
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(
            type=cfg.optim_wrapper.constructor,
            optim_wrapper_cfg=dict(
                type='OptimWrapper',
                optimizer=dict(cfg.optim_wrapper.optimizer, fused=False),
            ),
            paramwise_cfg=cfg.optim_wrapper.get('paramwise_cfg'),
        )
    )
    groups = constructor(model).optimizer.param_groups
    found = {id(p) for g in groups for p in g['params']}
    assert all(id(p) in found for p in model.parameters() if p.requires_grad)
    assert cfg.auto_scale_lr.base_batch_size > 0
    assert cfg.train_cfg.max_epochs > 0


@pytest.mark.parametrize(
    'path', [path for path in FILES if 'emoji' in path.name], ids=identify
)
def test_metrics_ask_for_what_the_model_has(path):
    cfg = Config.fromfile(path)
    with torch.device('meta' if 'resnet' not in path.name else 'cpu'):
        model = MODELS.build(cfg.model)
    has_text = any(
        isinstance(objective.target, TextTarget)
        for _, objective in model.named_objectives()
    )
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        metrics = build_metrics(evaluator, list(SETS))
        assert any(metric.needs_text for metric in metrics) == has_text
        assert not all(metric.needs_text for metric in metrics)


@pytest.mark.parametrize('path', distinct(FILES), ids=identify)
def test_recipe_trains_at_reduced_size(path):
    cfg = shrink(Config.fromfile(path).model)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    losses = model.loss(views(model), samples())
    total, _ = model.parse_losses(losses)
    assert total.isfinite()
    total.backward()
    assert any(
        p.grad is not None and p.grad.abs().max() > 0
        for p in model.backbone.parameters()
    )


@pytest.mark.parametrize(
    'path', sorted(Path('configs/m3i').rglob('*_in1k.py')), ids=identify
)
def test_features_are_kept_apart_without_labels(path):
    """The momentum encoder alone would have to keep them from collapsing."""
    objectives = Config.fromfile(path).model.objectives
    labelled = objectives.category is not None
    for name in ('intra', 'inter'):
        if objectives.get(name) is not None:
            term = objectives[name].likelihood.get('regularizer')
            wanted = None if labelled else dict(type='UniGradTerm')
            assert term == wanted


@pytest.mark.parametrize(
    ('size', 'drop_path', 'width', 'heads'),
    [
        ('vit-small-p16', 0.0, 384, 12),
        ('vit-base-p16', 0.1, 768, 16),
        ('vit-large-p16', 0.2, 768, 16),
        ('internimage-t', 0.1, 768, 16),
        ('internimage-s', 0.1, 768, 16),
        ('internimage-b', 0.2, 768, 16),
        ('internimage-l', 0.2, 768, 16),
        ('internimage-xl', 0.2, 768, 16),
        ('internimage-h', 0.2, 768, 16),
    ],
)
def test_sizes_differ_as_the_readme_says(size, drop_path, width, heads):
    cfg = Config.fromfile(f'configs/_base_/models/m3i_{size}.py').model
    assert cfg.backbone.drop_path_rate == drop_path
    assert cfg.decoders.image.embed_dims == width
    assert cfg.decoders.image.num_heads == heads
    text = Path('configs/m3i/README.md').read_text()
    assert 'ViT-S 0, B 0.1, L 0.2; InternImage-T and S 0.1, B to H 0.2' in text
    assert 'H too; ViT-S 384 with 12 heads' in text
