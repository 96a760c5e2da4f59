"""A backbone that M3I trained gives the same features in timm."""

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from toy.internimage import ARCHS

import m3i_mm.timm  # noqa: F401
from m3i_mm.checkpoints import CheckpointError
from m3i_mm.registry import MODELS
from m3i_mm.timm import publish_for_timm

pytestmark = pytest.mark.openmmlab
PREPROCESSOR = dict(mean=[100.0, 110.0, 120.0], std=[51.0, 51.0, 51.0])
INTERNIMAGE = dict(
    type='m3i_mm.InternImage', arch=ARCHS['small_like'], layer_scale=1.0
)
VIT = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32
    ),
    img_size=32,
    patch_size=8,
    out_type='featmap',
    drop_path_rate=0.1,
    layer_scale_init_value=0.1,
)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpretrain')


def write(path, backbone, **model):
    """Write a training checkpoint as MMEngine does."""
    module = MODELS.build(dict(backbone))
    module.eval()  # MMPretrain's returns None
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    weights = {f'backbone.{k}': v for k, v in module.state_dict().items()}
    cfg = Config(
        dict(
            model=dict(type='M3I', backbone=backbone, **model),
            data_preprocessor=PREPROCESSOR,
        )
    )
    meta = dict(epoch=1, cfg=cfg.pretty_text)
    torch.save(dict(meta=meta, state_dict=weights), path)
    return module


@pytest.mark.parametrize('backbone', [INTERNIMAGE, VIT])
def test_features_are_the_same(tmp_path, backbone):
    path = str(tmp_path / 'epoch_1.pth')
    ours = write(path, backbone)
    folder = publish_for_timm(path, str(tmp_path / 'published'))
    names = {p.name for p in (tmp_path / 'published').iterdir()}
    assert names == {'config.json', 'model.safetensors'}
    theirs = timm.create_model(f'local-dir:{folder}', pretrained=True).eval()
    size = theirs.pretrained_cfg['input_size'][-1]
    images = torch.randn(2, 3, size, size)[..., :64, :64]
    with torch.no_grad():
        expected = ours(images)[-1].mean((2, 3))
        torch.testing.assert_close(theirs(images), expected)
    assert theirs.pretrained_cfg['mean'] == [v / 255 for v in (100, 110, 120)]
    assert theirs.pretrained_cfg['std'] == [0.2] * 3
    tuned = timm.create_model(
        f'local-dir:{folder}', pretrained=True, num_classes=4
    )
    assert tuned(images).shape == (2, 4)


def test_a_published_size_keeps_its_name(tmp_path):
    path = str(tmp_path / 'epoch_1.pth')
    write(path, dict(type='m3i_mm.InternImage', arch='tiny'))
    folder = publish_for_timm(path, str(tmp_path / 'published'))
    maps = timm.create_model(
        f'local-dir:{folder}', pretrained=True, features_only=True
    )
    assert maps.feature_info.channels() == [64, 128, 256, 512]


def test_what_cannot_be_published(tmp_path):
    path, out = str(tmp_path / 'epoch_1.pth'), str(tmp_path / 'published')
    write(path, dict(type='mmpretrain.ResNet', depth=18))
    with pytest.raises(CheckpointError, match='ResNet, which cannot be pub'):
        publish_for_timm(path, out)
    write(path, dict(VIT, pre_norm=True))
    with pytest.raises(CheckpointError, match='no word for: pre_norm'):
        publish_for_timm(path, out)
    with pytest.raises(CheckpointError, match="no part 'momentum'"):
        publish_for_timm(path, out, 'momentum')
    torch.save(dict(state_dict={}), path)
    with pytest.raises(CheckpointError, match=r'which config .*meta\.cfg'):
        publish_for_timm(path, out)


def test_no_code_of_a_config_runs(tmp_path):
    path = str(tmp_path / 'epoch_1.pth')
    text = 'model = dict(backbone=__import__("os").system("false"))'
    torch.save(dict(meta=dict(cfg=text), state_dict={}), path)
    with pytest.raises(CheckpointError, match='is no setting'):
        publish_for_timm(path, str(tmp_path / 'published'))
