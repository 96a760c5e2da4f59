import hashlib
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from m3i_mm.checkpoints.publishing import average_checkpoints, extract, publish
from m3i_mm.checkpoints.reading import (
    CheckpointError,
    install,
    read_checkpoint,
)
from m3i_mm.registry import MODELS

pytestmark = pytest.mark.openmmlab
CONFIG = Path(__file__).parents[1] / 'toy' / 'm3i.py'


@pytest.fixture(scope='module')
def model():
    install()
    init_default_scope('mmpretrain')
    model = MODELS.build(Config.fromfile(CONFIG).model)
    model.init_weights()
    with torch.no_grad():
        for parameter in model.momentum_encoder.parameters():
            parameter.add_(0.1)
    return model.eval()


@pytest.fixture(scope='module')
def checkpoint(model, tmp_path_factory):
    path = tmp_path_factory.mktemp('training') / 'epoch_9.pth'
    meta = dict(epoch=9, iter=99, cfg='model = dict()')
    optimizer = dict(state={}, param_groups=[])
    torch.save(
        dict(meta=meta, state_dict=model.state_dict(), optimizer=optimizer),
        path,
    )
    return str(path)


@pytest.mark.parametrize(
    ('part', 'format', 'suffix'),
    [
        ('student', 'mmpretrain', '.pth'),
        ('student', 'backbone', '.pth'),
        ('momentum', 'backbone', '.pth'),
        ('momentum', 'safetensors', '.safetensors'),
    ],
)
def test_backbone_loads_into_a_classifier(
    model, checkpoint, tmp_path, part, format, suffix
):
    path = publish(checkpoint, str(tmp_path / 'vit.pth'), part, format)
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert Path(path).name == f'vit-{digest[:8]}{suffix}'
    assert [p.name for p in tmp_path.iterdir()] == [Path(path).name]
    if suffix == '.pth':
        content = torch.load(path, weights_only=True)
        assert content['meta']['epoch'] == '9'
        assert 'optimizer' not in content
    init_cfg = dict(type='Pretrained', checkpoint=path)
    if format == 'mmpretrain':
        init_cfg['prefix'] = 'backbone.'
    backbone = dict(Config.fromfile(CONFIG).model.backbone)
    loaded = MODELS.build(dict(backbone, init_cfg=init_cfg))
    loaded.init_weights()
    loaded.eval()
    source = model if part == 'student' else model.momentum_encoder
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(loaded(images)[-1], source.backbone(images)[-1])


def test_text_encoder(model, checkpoint, tmp_path):
    path = publish(checkpoint, str(tmp_path / 'text'), 'text', 'safetensors')
    encoder = model.objectives['text'].target.text_encoder
    weights = read_checkpoint(path)
    assert weights.keys() == encoder.state_dict().keys()


def test_neck_stays_with_the_prefix_only():
    weights = {
        'backbone.a': torch.ones(1),
        'neck.b': torch.ones(1),
        'momentum_encoder.backbone.a': torch.ones(1),
        'decoders.image.backbone.c': torch.ones(1),
    }
    assert set(extract(weights, 'student')) == {'backbone.a', 'neck.b'}
    assert set(extract(weights, 'student', with_prefix=False)) == {'a'}
    with pytest.raises(
        CheckpointError, match="no part 'text'; it has 'student' and 'moment"
    ):
        extract(weights, 'text')


def test_average(tmp_path):
    paths = []
    for number in range(3):
        generator = torch.Generator().manual_seed(number)
        weights = dict(
            weight=torch.randn(5, generator=generator),
            half=torch.randn(5, generator=generator).half(),
            steps=torch.tensor(number),
        )
        paths.append(str(tmp_path / f'{number}.pth'))
        torch.save(dict(state_dict=weights), paths[-1])
    average_checkpoints(paths, str(tmp_path / 'mean.pth'))
    mean = read_checkpoint(str(tmp_path / 'mean.pth'))['state_dict']
    given = [read_checkpoint(path)['state_dict'] for path in paths]
    for name in ('weight', 'half'):
        stack = torch.stack([w[name].double() for w in given])
        expected = stack.mean(0).to(given[0][name].dtype)
        torch.testing.assert_close(mean[name], expected)
    assert mean['steps'] == 2
    torch.save(dict(weight=torch.randn(4)), paths[1])
    with pytest.raises(
        CheckpointError, match=r"1\.pth .*'(weight|half|steps)'"
    ):
        average_checkpoints(paths, str(tmp_path / 'mean.pth'))
