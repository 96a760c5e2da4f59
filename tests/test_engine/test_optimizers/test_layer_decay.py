"""Layer-wise learning-rate decay against the official constructor."""

import json

import pytest
import torch
from mmpretrain.models import ResNet
from torch import nn
from toy.internimage import DATA

from m3i_mm.engine.optimizers import LayerDecayOptimWrapperConstructor
from m3i_mm.models.internimage import CompositeInternImage, InternImage

pytestmark = pytest.mark.openmmlab

ARCH = dict(channels=8, depths=(1, 1, 2, 1), groups=(1, 2, 4, 8))
RATE = 0.5


class Detector(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.bbox_head = nn.Linear(4, 4)


def settings_of(model, lr=1.0, weight_decay=0.05, **paramwise):
    """The learning rate and weight decay of each parameter by name."""
    constructor = LayerDecayOptimWrapperConstructor(
        dict(optimizer=dict(type='AdamW', lr=lr, weight_decay=weight_decay)),
        paramwise,
    )
    groups = constructor(model).optimizer.param_groups
    by_id = {
        id(p): (group['lr'], group['weight_decay'])
        for group in groups
        for p in group['params']
    }
    return {
        name: by_id[id(p)]
        for name, p in model.named_parameters()
        if id(p) in by_id
    }


def test_every_parameter_as_the_official_constructor_has_it():
    fixture = json.loads((DATA / 'layer_decay.json').read_text())
    arch = {k: fixture[k] for k in ('channels', 'depths', 'groups')}
    model = Detector(InternImage(dict(arch, layer_scale=1.0)))
    settings = settings_of(
        model,
        lr=fixture['base_lr'],
        weight_decay=fixture['base_weight_decay'],
        layer_decay_rate=fixture['layer_decay_rate'],
    )
    assert set(settings) == set(fixture['params'])
    for name, (scale, decay) in fixture['params'].items():
        expected = (scale * fixture['base_lr'], decay)
        assert settings[name] == pytest.approx(expected, rel=1e-9), name


@pytest.mark.parametrize(
    ('arch', 'rate', 'stem', 'first'),
    [
        ('large', 0.94, 0.0953, 0.1013),
        ('large', 0.90, 0.01825, 0.02028),
        ('xlarge', 0.90, 0.01478, 0.01642),
        ('huge', 0.94, 0.0426, 0.0453),
        ('huge', 0.95, 0.0731, 0.0769),
        ('giant', 0.95, 0.0537, 0.0566),
        ('tiny', 0.90, 0.0382, 0.0424),
    ],
)
def test_scales_of_the_released_recipes(arch, rate, stem, first):
    with torch.device('meta'):
        model = Detector(InternImage(arch))
    settings = settings_of(model, layer_decay_rate=rate)
    name = 'backbone.levels.0.blocks.0.mlp.fc1.weight'
    assert settings[name][0] == pytest.approx(first, rel=2e-3)
    name = 'backbone.patch_embed.conv1.weight'
    assert settings[name][0] == pytest.approx(stem, rel=2e-3)


def exponents(settings, prefix=''):
    """k for each parameter, where the learning rate is RATE ** k."""
    return {
        name.removeprefix(prefix): round(-torch.tensor(lr).log2().item())
        for name, (lr, _) in settings.items()
    }


def test_block_count_of_the_official_classifiers():
    arch = dict(
        ARCH,
        depths=(1, 1, 3, 2),
        center_feature_scale=True,
        post_norm=True,
        level2_post_norm_block_ids=(1,),
    )
    settings = settings_of(
        Detector(InternImage(arch)), layer_decay_rate=RATE, depth='block'
    )
    k = exponents(settings, 'backbone.')
    assert k['levels.3.blocks.1.mlp.fc1.weight'] == 0
    assert k['levels.3.blocks.0.mlp.fc1.weight'] == 1
    assert k['levels.2.blocks.0.norm1.0.bias'] == 4
    assert k['levels.0.blocks.0.dcn.offset.weight'] == 6
    assert k['patch_embed.conv1.weight'] == 6
    assert k['levels.0.downsample.conv.weight'] == 5
    assert k['levels.0.norm.0.weight'] == 5
    assert k['levels.2.norm.0.weight'] == 1
    assert k['levels.3.norm.0.weight'] == 0
    assert k['levels.2.post_norms.0.0.weight'] == 0
    assert k['bbox_head.weight'] == 0


def test_offset_scale_reaches_the_offsets_of_dcnv3_only():
    model = Detector(InternImage(ARCH))
    plain = settings_of(model, layer_decay_rate=0.9)
    scaled = settings_of(model, layer_decay_rate=0.9, offset_lr_scale=0.01)
    changed = {name for name in plain if plain[name] != scaled[name]}
    assert changed == {n for n in plain if '.dcn.offset.' in n}
    name = 'backbone.levels.2.blocks.1.dcn.offset.weight'
    assert scaled[name][0] == pytest.approx(plain[name][0] * 0.01)


def test_stem_keys_learn_at_the_rate_of_the_stem():
    model = Detector(InternImage(ARCH))
    settings = settings_of(
        model, layer_decay_rate=RATE, stem_keys=['bbox_head.bias']
    )
    k = exponents(settings)
    assert k['bbox_head.bias'] == k['backbone.patch_embed.conv1.weight'] == 6
    assert k['bbox_head.weight'] == 0


def test_official_names_of_composite_backbones():
    networks = nn.ModuleList([InternImage(ARCH), InternImage(ARCH)])
    composite = nn.ModuleDict(
        dict(cb_modules=networks, cb_linears=nn.Linear(2, 2))
    )
    settings = settings_of(Detector(composite), layer_decay_rate=RATE)
    k = exponents(settings, 'backbone.')
    for network in ('cb_modules.0.', 'cb_modules.1.'):
        assert k[f'{network}levels.3.blocks.0.mlp.fc1.weight'] == 1
        assert k[f'{network}levels.0.blocks.0.mlp.fc1.weight'] == 5
        assert k[f'{network}patch_embed.conv1.weight'] == 6
    assert k['cb_linears.weight'] == 0


def test_composite_internimage():
    model = Detector(CompositeInternImage(arch=ARCH))
    k = exponents(settings_of(model, layer_decay_rate=RATE), 'backbone.')
    rates = {
        name: value
        for name, value in k.items()
        if name.endswith('levels.0.blocks.0.mlp.fc1.weight')
    }
    assert list(rates.values()) == [5, 5]


def test_vision_transformer_of_mmpretrain():
    from mmpretrain.models import VisionTransformer

    arch = dict(
        embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=8
    )
    model = Detector(VisionTransformer(arch, img_size=32))
    settings = settings_of(
        model,
        layer_decay_rate=RATE,
        custom_keys={
            'pos_embed': dict(decay_mult=0.0),
            'head': dict(lr_mult=4.0),
        },
    )
    k = exponents(settings, 'backbone.')
    assert k['patch_embed.projection.weight'] == 3
    assert k['layers.0.ffn.layers.1.weight'] == 2
    assert k['layers.1.ffn.layers.1.weight'] == 1
    assert k['bbox_head.weight'] == -2
    assert settings['backbone.pos_embed'] == (RATE**3, 0.0)
    assert settings['backbone.cls_token'] == (RATE**3, 0.05)


def test_longest_custom_key_holds_and_frozen_parameters_are_left_out():
    model = Detector(InternImage(ARCH, frozen_stages=1))
    settings = settings_of(
        model,
        custom_keys={
            'bbox_head': dict(lr_mult=3.0),
            'bbox_head.bias': dict(lr_mult=5.0),
        },
    )
    assert settings['bbox_head.weight'][0] == 3.0
    assert settings['bbox_head.bias'] == (5.0, 0.0)
    assert not any(n.startswith('backbone.levels.0') for n in settings)


@pytest.mark.parametrize(
    ('model', 'paramwise', 'error', 'words'),
    [
        (Detector(InternImage(ARCH)), dict(decay=1), ValueError, 'unknown'),
        (
            Detector(InternImage(ARCH)),
            dict(num_layers=30, dino_head=True),
            ValueError,
            'Instead of dino_head: custom_keys.*num_layers: .* leave it out',
        ),
        (
            Detector(nn.Conv2d(3, 8, 3)),
            dict(layer_decay_rate=0.9),
            TypeError,
            'has none',
        ),
        (
            Detector(InternImage(ARCH)),
            dict(depth='x', layer_decay_rate=0.9),
            TypeError,
            'get_x_depth',
        ),
        (
            Detector(ResNet(18)),
            dict(layer_decay_rate=0.9),
            ValueError,
            r'ResNet\.get_layer_depth does not count',
        ),
    ],
)
def test_bad_settings(model, paramwise, error, words):
    with pytest.raises(error, match=words):
        settings_of(model, **paramwise)


def test_without_decay_no_backbone_is_asked_for_depths():
    settings = settings_of(
        Detector(ResNet(18)), custom_keys=dict(bbox_head=dict(lr_mult=0.25))
    )
    assert settings['bbox_head.weight'] == (0.25, 0.05)
    assert settings['backbone.conv1.weight'] == (1.0, 0.05)
    assert settings['backbone.bn1.weight'] == (1.0, 0.0)
