"""projects/teachers: its converter and its rows; no training."""

import sys
from pathlib import Path

import pytest
import timm
import torch
from mmengine.registry import DefaultScope
from safetensors.torch import load_file
from toy.recipes import samples

import m3i_mm.models  # noqa: F401
from m3i_mm.registry import MODELS
from m3i_mm.runs.reading import read_config

PROJECT = Path(__file__).parents[2] / 'projects/teachers'
sys.path.insert(0, str(PROJECT))

import convert_efficientnet_lite as converter  # noqa: E402
import real_teacher  # noqa: E402

NAME = 'tf_efficientnet_lite0'


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    return timm.create_model(NAME).eval()


@pytest.fixture(scope='module')
def released(network, tmp_path_factory):
    """Write weights under the names of EfficientNet-PyTorch."""
    back = {
        ours: theirs for theirs, ours in converter.timm_names(network).items()
    }
    path = tmp_path_factory.mktemp('released') / 'lite0.pth'
    content = {}
    for key, value in network.state_dict().items():
        module, _, tensor = key.rpartition('.')
        content[f'{back[module]}.{tensor}'] = value
    torch.save(content, path)
    return path


def test_names_are_those_of_the_released_file(released):
    names = list(torch.load(released, weights_only=True))
    assert names[0] == '_conv_stem.weight'
    assert '_blocks.0._depthwise_conv.weight' in names
    assert '_blocks.0._expand_conv.weight' not in names
    assert '_blocks.15._bn2.running_var' in names
    assert names[-2:] == ['_fc.weight', '_fc.bias']
    assert len(names) == 296


def test_the_converted_file_is_the_same_network(network, released, tmp_path):
    out = tmp_path / 'lite0.safetensors'
    converter.main([str(released), str(out)])
    other = timm.create_model(NAME).eval()
    other.load_state_dict(load_file(out))
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(other(images), network(images))


def test_weights_of_another_architecture(released, tmp_path):
    out = tmp_path / 'lite.safetensors'
    arguments = [str(released), str(out), '--architecture']
    with pytest.raises(SystemExit, match='do not fill tf_efficientnet_lite1'):
        converter.main([*arguments, 'tf_efficientnet_lite1'])
    assert not out.exists()


def test_a_file_of_another_library(network, tmp_path):
    path = tmp_path / 'timm.pth'
    torch.save(network.state_dict(), path)
    with pytest.raises(SystemExit, match=r'conv_stem\.weight is no weight of'):
        converter.main([str(path), str(tmp_path / 'out.safetensors')])


def test_the_output_is_safetensors(released, tmp_path, capsys):
    with pytest.raises(SystemExit):
        converter.main([str(released), str(tmp_path / 'out.pth')])
    assert 'has to end in .safetensors' in capsys.readouterr().err


@pytest.mark.parametrize('row', ['supervised-taught', 'taught'])
def test_a_taught_row_steps_on_the_shared_encoder(row):
    cfg = read_config(str(real_teacher.ROWS[row][0]))
    cfg.model.teachers.efficientnet.update(weights=None, size=32)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    encoder = sum(p.numel() for p in model.backbone.parameters())
    assert encoder == 696416
    views = [torch.randn(4, 3, 32, 32) for _ in range(2)]
    losses = model.loss(views, samples())
    total, _ = model.parse_losses(losses)
    total.backward()
    assert 'loss_efficientnet' in losses
    assert ('loss_y' in losses) == (row == 'supervised-taught')
    assert model.backbone.conv1.weight.grad.abs().max() > 0


def test_rows_differ_in_what_they_say_only():
    supervised, taught = (
        read_config(str(real_teacher.ROWS[row][0]))
        for row in ('supervised', 'supervised-taught')
    )
    assert supervised.train_dataloader == taught.train_dataloader
    assert supervised.optim_wrapper == taught.optim_wrapper
    assert supervised.model.backbone == taught.model.backbone
    assert supervised.model.objectives.y == taught.model.objectives.y


def test_missing_weights_say_how_they_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r'lite0\.safetensors is missing'):
        real_teacher.main([])
