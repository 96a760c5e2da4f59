"""Models of other libraries say here what they say there."""

from __future__ import annotations

import json
import pickle

import pytest
import timm
import torch
from toy.foundation import write_hugging_face, write_open_clip, write_timm

from m3i_mm.checkpoints import CheckpointError
from m3i_mm.models.foundation import (
    FoundationModelError,
    load_foundation_model,
)
from m3i_mm.models.foundation.base import digest_of
from m3i_mm.models.foundation.pixels import Renormalize

pytestmark = pytest.mark.openmmlab


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')


@pytest.mark.parametrize('form', ['{}', 'timm:{}'])
def test_timm_from_a_folder(tmp_path, form):
    reference = write_timm(tmp_path / 'vit', dynamic_img_size=True)
    model = load_foundation_model(form.format(tmp_path / 'vit'))
    images = torch.randn(2, 3, 64, 96)
    seen = model(images)
    tokens = reference.forward_features(images)
    extra = reference.num_prefix_tokens
    patches = tokens[:, extra:].transpose(1, 2).unflatten(2, (4, 6))
    torch.testing.assert_close(seen.map, patches)
    torch.testing.assert_close(
        seen.pooled, reference.forward_head(tokens, pre_logits=True)
    )
    assert not model.training
    assert model.mean.tolist() == [0.5] * 3


@pytest.mark.parametrize('name', ['test_convnext', 'test_efficientnet'])
def test_convolutional_networks_take_any_size(name):
    model = load_foundation_model(f'timm:{name}', None)
    seen = model(torch.randn(2, 3, 64, 96))
    assert seen.map.shape[0] == seen.pooled.shape[0] == 2
    assert seen.map.shape[2:] == (2, 3)


@pytest.mark.parametrize('size', [None, 48])
def test_open_clip_from_a_folder(tmp_path, size):
    reference = write_open_clip(tmp_path / 'clip')
    model = load_foundation_model(str(tmp_path / 'clip'), size=size)
    side = size or 32
    images = torch.randn(2, 3, side, side)
    seen = model(images)
    assert seen.map.shape == (2, 64, side // 8, side // 8)
    torch.testing.assert_close(
        model.mean, torch.tensor([0.4, 0.5, 0.6]), rtol=0, atol=1e-6
    )
    if size is None:
        expected = reference.encode_image(images)
        torch.testing.assert_close(seen.pooled, expected)
        # the final norm, then the class token projected is the embedding
        visual = reference.visual
        x = visual.transformer(visual._embeds(images))
        x = visual.ln_post(x)
        torch.testing.assert_close(x[:, 0] @ visual.proj, expected)
        torch.testing.assert_close(seen.map.flatten(2).mT, x[:, 1:])
    with pytest.raises(FoundationModelError, match=f'set size={side}'):
        model(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize('kind', ['dinov2', 'vit', 'clip', 'siglip'])
def test_transformers_from_a_folder(tmp_path, kind):
    pytest.importorskip('transformers')
    reference = write_hugging_face(tmp_path, kind)
    model = load_foundation_model(str(tmp_path))
    images = torch.randn(2, 3, 32, 32)
    seen = model(images)
    assert seen.map.shape == (2, 16, 4, 4)
    tower = getattr(reference, 'vision_model', reference)
    tokens = tower(pixel_values=images).last_hidden_state
    if kind == 'clip':
        expected = reference.get_image_features(pixel_values=images)
        expected = getattr(expected, 'pooler_output', expected)
        torch.testing.assert_close(seen.pooled, expected)
        tokens = tower.post_layernorm(tokens)
    elif kind != 'siglip':
        torch.testing.assert_close(seen.pooled, tokens[:, 0])
    patches = tokens[:, -16:].transpose(1, 2).unflatten(2, (4, 4))
    torch.testing.assert_close(seen.map, patches)
    # positions are resized
    assert model(torch.randn(1, 3, 48, 32)).map.shape == (1, 16, 6, 4)
    assert not hasattr(model.network, 'text_model')


def test_weights_of_a_file(tmp_path):
    reference = write_timm(tmp_path / 'vit')
    path = str(tmp_path / 'weights.pth')
    torch.save(reference.state_dict(), path)
    model = load_foundation_model('timm:test_vit', path)
    random = load_foundation_model('timm:test_vit', None)
    images = torch.randn(1, 3, 160, 160)
    expected = reference.forward_head(
        reference.forward_features(images), pre_logits=True
    )
    torch.testing.assert_close(model(images).pooled, expected)
    assert (random(images).pooled - expected).abs().max() > 1e-3
    with pytest.raises(CheckpointError, match='of another model.*test_conv'):
        load_foundation_model('timm:test_convnext', path)


def test_a_pickled_file_is_refused_unless_it_is_trusted(tmp_path, monkeypatch):
    path = tmp_path / 'weights.pth'
    state = timm.create_model('test_vit', num_classes=0).state_dict()
    path.write_bytes(pickle.dumps(state))
    with pytest.raises(CheckpointError, match=r'M3I_MM_TRUST|not a check'):
        load_foundation_model('timm:test_vit', str(path))
    torch.save(dict(state_dict=state, args=pytest.ExitCode.OK), path)
    with pytest.raises(CheckpointError, match='M3I_MM_TRUST_CHECKPOINTS=1'):
        load_foundation_model('timm:test_vit', str(path))
    monkeypatch.setenv('M3I_MM_TRUST_CHECKPOINTS', '1')
    load_foundation_model('timm:test_vit', str(path))


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('timm:vit_smal_patch16_224', "Did you mean 'vit_small_patch16_224'"),
        (
            'timm:vit_small_patch14_dinov2.lvd',
            "Did you mean 'vit_small_patch14_dinov2.lvd142m'",
        ),
        ('tim:vit', "Did you mean 'timm'"),
        ('open_clip:ViT-B-61/openai', "Did you mean .*'ViT-B-16'"),
        ('open_clip:ViT-B-16/opena', "Did you mean 'openai'"),
        ('open_clip:ViT-B-16', 'Write open_clip:ViT-B-16/TAG with one of'),
        ('no/such/folder', "no model 'no/such/folder'. Write 'timm:NAME'"),
    ],
)
def test_unknown_names_propose_near_ones(name, message):
    with pytest.raises(FoundationModelError, match=message):
        load_foundation_model(name)


def test_without_a_network():
    with pytest.raises(
        FoundationModelError,
        match='dinov2 cannot be loaded: .*Without a network give a folder',
    ):
        load_foundation_model('timm:vit_small_patch14_dinov2')


def test_folders_that_are_no_models(tmp_path):
    with pytest.raises(FoundationModelError, match='neither config.json nor'):
        load_foundation_model(str(tmp_path))
    (tmp_path / 'config.json').write_text(json.dumps(dict(a=1)))
    with pytest.raises(FoundationModelError, match='of no library known'):
        load_foundation_model(str(tmp_path))
    path = tmp_path / 'model.safetensors'
    path.write_bytes(b'x')
    with pytest.raises(FoundationModelError, match='which network'):
        load_foundation_model(str(path))


def test_sizes_that_do_not_fit_are_named():
    model = load_foundation_model('timm:test_vit', None)
    with pytest.raises(FoundationModelError, match='set size to a multiple'):
        model(torch.randn(1, 3, 40, 32))


def test_renormalising_is_undoing_and_doing():
    mean, std = [120.0, 110.0, 100.0], [60.0, 50.0, 40.0]
    wanted = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4])
    pixels = torch.randint(0, 256, (2, 3, 8, 8)).double()
    own = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
    change = Renormalize((mean, std), *wanted).double()
    expected = (pixels / 255 - wanted[0].view(3, 1, 1)) / wanted[1].view(
        3, 1, 1
    )
    found = change((pixels - own[0]) / own[1])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    larger = Renormalize((mean, std), *wanted, size=16)
    assert larger(torch.randn(1, 3, 8, 8)).shape[2:] == (16, 16)


def test_digests_follow_names_types_and_values():
    weights = dict(a=torch.ones(2), b=torch.zeros(3, dtype=torch.bfloat16))
    first = digest_of(weights.items())
    assert len(first) == 32
    assert digest_of(reversed(weights.items())) == first
    for change in (
        dict(a=torch.ones(2, 1)),
        dict(a=torch.ones(2).double()),
        dict(a=torch.tensor([1.0, 1.0001])),
    ):
        assert digest_of({**weights, **change}.items()) != first
