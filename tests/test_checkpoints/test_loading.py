"""``init_cfg`` and ``load_weights`` fill a model or refuse."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

import m3i_mm.models  # noqa: F401
from m3i_mm.checkpoints import (
    CheckpointError,
    MissingCheckpointError,
    load_weights,
)

pytestmark = pytest.mark.openmmlab

VIT = dict(
    type='VisionTransformer',
    arch=dict(
        embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=16
    ),
    img_size=16,
    patch_size=8,
)
BACKBONES = dict(
    vit=VIT,
    resnet=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4),
    convnext=dict(
        type='ConvNeXt', arch=dict(depths=[1, 1, 1, 1], channels=[4, 4, 4, 4])
    ),
    timm=dict(type='TIMMBackbone', model_name='test_resnet'),
    tokenizer=dict(type='DALL-E', n_blk_per_group=1, n_hid=8, vocab_size=16),
)


def build(name, **settings):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build({**BACKBONES[name], **settings})


@pytest.fixture
def file(tmp_path):
    def write(content, name='file.pth'):
        torch.save(content, tmp_path / name)
        return str(tmp_path / name)

    return write


def initialised(name, path, **settings):
    cfg = dict(type='Pretrained', checkpoint=path, **settings)
    model = build(name, init_cfg=cfg)
    model.init_weights()
    return model


@pytest.mark.parametrize('name', BACKBONES)
def test_init_cfg_fills_the_backbone_or_refuses(name, file):
    state = {
        key: torch.full_like(value, 0.5)
        if value.is_floating_point()
        else value
        for key, value in build(name).state_dict().items()
    }
    for prefix in ('', 'backbone.', 'module.backbone.'):
        path = file(dict(state_dict={prefix + k: v for k, v in state.items()}))
        model = initialised(name, path)
        for key, value in model.state_dict().items():
            assert torch.equal(value, state[key]), key
    with pytest.raises(CheckpointError, match=r'fits 0 of .*file\.pth|0 of'):
        initialised(name, file({'conv.weight': torch.ones(3)}))
    first = next(k for k, v in state.items() if v.is_floating_point())
    del state[first]
    with pytest.raises(CheckpointError, match='lacks 1: '):
        initialised(name, file(state))
    initialised(name, file(state), new_weights=[first])


def test_a_frozen_teacher_is_compared_too(file):
    teacher = dict(type='m3i_mm.FrozenEncoder')
    cfg = dict(type='Pretrained', checkpoint=file(build('vit').state_dict()))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        fits = MODELS.build(dict(teacher, backbone=dict(VIT, init_cfg=cfg)))
        wrong = dict(BACKBONES['resnet'], init_cfg=cfg)
        foreign = MODELS.build(dict(teacher, backbone=wrong))
    fits.init_weights()
    with pytest.raises(CheckpointError, match='fits 0 of .* ResNet'):
        foreign.init_weights()


def test_timm_names_have_no_prefix(file):
    state = build('timm').timm_model.state_dict()
    model = initialised('timm', file(state))
    for key, value in model.timm_model.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_a_position_embedding_of_another_size_is_resampled(file):
    state = build('vit').state_dict()
    model = build(
        'vit',
        img_size=32,
        init_cfg=dict(type='Pretrained', checkpoint=file(state)),
    )
    model.init_weights()
    assert model.pos_embed.shape == (1, 17, 8)
    assert torch.equal(model.cls_token, state['cls_token'])


def test_files_that_cannot_be_read_are_named(tmp_path):
    model, path = build('vit'), tmp_path / 'file.pth'
    with pytest.raises(MissingCheckpointError, match='no checkpoint .*file'):
        load_weights(model, str(path))
    path.write_bytes(b'')
    with pytest.raises(CheckpointError, match=r'file\.pth is empty'):
        load_weights(model, str(path))
    path.write_text('a picture')
    with pytest.raises(CheckpointError, match=r'file\.pth is not a check'):
        load_weights(model, str(path))
    torch.save(torch.ones(3), path)
    with pytest.raises(CheckpointError, match=r'file\.pth holds a Tensor'):
        load_weights(model, str(path))
    torch.save(model.state_dict(), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match=r'file\.pth is damaged'):
        load_weights(model, str(path))
