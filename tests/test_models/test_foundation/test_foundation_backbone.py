"""A foundation model goes on learning, from where it was."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from mmengine.registry import DefaultScope, init_default_scope
from timm.models import group_parameters
from toy.foundation import write_hugging_face, write_open_clip, write_timm

from m3i_mm.models.foundation import FoundationBackbone
from m3i_mm.models.foundation.layers import number_layers
from m3i_mm.registry import MODELS

pytestmark = pytest.mark.openmmlab
PIXELS = dict(mean=[120.0, 115.0, 110.0], std=[60.0, 61.0, 62.0])


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    yield
    DefaultScope._instance_dict.clear()


def write(kind, folder):
    if kind == 'timm':
        write_timm(folder, dynamic_img_size=True)
    elif kind == 'registers':
        write_timm(
            folder, 'vit_small_patch14_reg4_dinov2', depth=2, img_size=28
        )
    elif kind == 'rope':
        write_timm(folder, 'vit_small_patch16_dinov3', depth=2)
    elif kind == 'open_clip':
        write_open_clip(folder)
    else:
        pytest.importorskip('transformers')
        write_hugging_face(folder, kind)


SIDES = dict(registers=28, open_clip=32)


def model_with_anchor(folder):
    return MODELS.build(
        dict(
            type='M3I',
            backbone=dict(
                type='m3i_mm.FoundationBackbone',
                name=str(folder),
                pixels=(PIXELS['mean'], PIXELS['std']),
            ),
            data_preprocessor=PIXELS,
            input=dict(type='BothViews'),
            momentum_encoder=dict(type='MomentumEncoder'),
            teachers=dict(
                anchor=dict(type='m3i_mm.Teacher', name=str(folder))
            ),
            objectives=dict(
                anchor=dict(
                    target=dict(
                        type='DenseFeatures',
                        encoder='anchor',
                        layer_norm=False,
                    ),
                    decoder=dict(type='DenseDecoder'),
                    likelihood=dict(type='Gaussian'),
                ),
                other=dict(
                    target=dict(type='GlobalFeatures'),
                    decoder=dict(type='PoolingDecoder'),
                    likelihood=dict(type='Gaussian', normalize=True),
                ),
            ),
        )
    )


@pytest.mark.parametrize(
    'kind',
    ['timm', 'registers', 'rope', 'open_clip', 'dinov2', 'clip', 'siglip'],
)
def test_the_anchor_holds_from_step_one_on(tmp_path, kind):
    write(kind, tmp_path)
    model = model_with_anchor(tmp_path)
    model.init_weights()
    model.train()
    side = SIDES.get(kind, 64)
    views = [torch.randn(2, 3, side, side) for _ in range(2)]
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.01)
    losses = model.loss(views)
    # attention of torch takes another path in evaluation
    assert losses['loss_anchor'] < (1e-12 if kind == 'open_clip' else 1e-30)
    assert losses['loss_other'] > 0
    # every parameter that learns takes part, as DDP asks for
    (losses['loss_anchor'] + losses['loss_other']).backward()
    assert all(p.grad is not None for p in learning)
    optimizer.step()
    later = model.loss(views)
    assert later['loss_anchor'] > 0
    assert later['loss_other'] < losses['loss_other']
    # the weights that learn are in the checkpoint, the anchor's are not
    names = [n for n in model.state_dict() if n.startswith('teachers.')]
    assert names == ['teachers.anchor.identity']


@pytest.mark.parametrize('kind', ['timm', 'open_clip', 'dinov2', 'clip'])
def test_layers_decay_from_the_stem_to_the_last_block(tmp_path, kind):
    write(kind, tmp_path)
    backbone = FoundationBackbone(str(tmp_path))
    depths = {}
    for name, _ in backbone.named_parameters():
        depth, count = backbone.get_layer_depth(f'b.{name}', 'b.')
        depths[name.removeprefix('model.network.')] = depth
    assert min(depths.values()) == 0
    assert max(depths.values()) < count - 1
    assert backbone.get_layer_depth('head.weight', 'b.') == (
        count - 1,
        count,
    )
    stem = [d for n, d in depths.items() if 'embed' in n or 'conv1' in n]
    assert set(stem) == {0}
    blocks = [
        next(
            d
            for n, d in depths.items()
            if any(f'{p}.{i}.' in n for p in ('blocks', 'resblocks', 'layer'))
            or f'layers.{i}.' in n
        )
        for i in range(2)
    ]
    assert blocks == [1, 2]


@pytest.mark.parametrize('name', ['test_vit', 'test_convnext', 'resnet10t'])
def test_layers_are_those_that_timm_counts(name):
    model = timm.create_model(name)
    matcher = model.group_matcher()
    names = [n for n, _ in model.named_parameters()]
    expected = group_parameters(model, matcher, reverse=True)
    found = number_layers(names, matcher)
    assert found == expected


def test_positions_follow_the_size_of_the_image(tmp_path):
    write_timm(tmp_path)
    backbone = FoundationBackbone(str(tmp_path))
    (features,) = backbone(torch.randn(1, 3, 64, 96))
    assert features.shape == (1, backbone.embed_dims, 4, 6)


def test_a_copy_learns_by_itself(tmp_path):
    write_timm(tmp_path)
    backbone = FoundationBackbone(str(tmp_path))
    other = copy.deepcopy(backbone)
    with torch.no_grad():
        next(iter(backbone.parameters())).add_(1)
    first, second = (next(iter(b.parameters())) for b in (backbone, other))
    assert not torch.equal(first, second)
