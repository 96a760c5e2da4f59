"""Files of the authors load as they are, or say why they do not."""

import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.runner import Runner, load_checkpoint
from toy import internimage as official

from m3i_mm.checkpoints.reading import CheckpointError
from m3i_mm.engine.hooks import CheckpointFitHook
from m3i_mm.models import build_internimage_classifier
from m3i_mm.models.internimage import InternImage
from m3i_mm.models.internimage.released_names import (
    classifier_names,
    official_names,
)

pytestmark = pytest.mark.openmmlab

TINY = official.ARCHS['tiny_like']
SMALL = official.ARCHS['small_like']


def fixture_state(name):
    return official.read(official.DATA / f'{name}_like.npz')[1]


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def hugging_face(state):
    return {
        f'model.{name}'.replace('gamma', 'layer_scale'): tensor
        for name, tensor in state.items()
    }


def raw_m3i(state):
    """Online network, momentum network, mask token and classifier."""
    return dict(
        mask_token=torch.zeros(1),
        **prefixed('dcnv3.', official.backbone_part(state)),
        **prefixed(
            'mm_dcnv3.',
            {k: v + 1 for k, v in official.backbone_part(state).items()},
        ),
        **{
            'clip.classifier.weight': state['head.weight'],
            'clip.classifier.bias': state['head.bias'],
        },
    )


def detector(state):
    return dict(
        meta=dict(epoch=1),
        state_dict={
            **prefixed('backbone.', official.backbone_part(state)),
            'neck.lateral_convs.0.conv.weight': torch.zeros(1),
            'roi_head.bbox_head.fc_cls.weight': torch.zeros(1),
        },
    )


FORMATS = dict(
    classification=lambda state: dict(model=state, epoch=3),
    flat=dict,
    detection=detector,
    data_parallel=lambda s: dict(state_dict=prefixed('module.backbone.', s)),
    hugging_face=hugging_face,
    deepspeed=lambda state: dict(module=state, dp_world_size=8),
    raw_m3i=raw_m3i,
    mmpretrain=lambda state: dict(state_dict=classifier_names(state)),
)


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = str(tmp_path / 'file.pth')
        torch.save(content, path)
        return path

    return write


def assert_holds(model, state):
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize('kind', FORMATS)
@pytest.mark.parametrize('how', ['init_cfg', 'load_checkpoint', 'torch'])
def test_backbone_loads_every_format(kind, how, file):
    state = fixture_state('small')
    content = FORMATS[kind](state)
    path = file(content)
    model = InternImage(SMALL)
    if how == 'init_cfg':
        init_cfg = dict(type='Pretrained', checkpoint=path)
        model = InternImage(SMALL, init_cfg=init_cfg)
        model.init_weights()
    elif how == 'load_checkpoint':
        load_checkpoint(model, path)
    else:
        model.load_state_dict(content)
    assert_holds(model, state)


@pytest.mark.parametrize('kind', FORMATS)
def test_backbone_of_another_model_loads_every_format(kind, file):
    """As in a detector: ``init_cfg`` on the backbone alone."""

    class Detector(BaseModel):
        def __init__(self, backbone):
            super().__init__()
            self.backbone = backbone

        def forward(self, inputs):
            return self.backbone(inputs)

    state = fixture_state('small')
    path = file(FORMATS[kind](state))
    init_cfg = dict(type='Pretrained', checkpoint=path)
    model = Detector(InternImage(SMALL, init_cfg=init_cfg))
    model.init_weights()
    assert_holds(model.backbone, state)


@pytest.mark.parametrize(
    'kind',
    ['classification', 'hugging_face', 'deepspeed', 'raw_m3i', 'mmpretrain'],
)
def test_classifier_loads_every_format(kind, file):
    state = fixture_state('small')
    model = build_internimage_classifier(SMALL, num_classes=10)
    load_checkpoint(model, file(FORMATS[kind](state)))
    own = official_names(model.state_dict())
    expected = official_names(FORMATS[kind](state))
    assert {'head.weight', 'patch_embed.conv1.weight'} <= set(expected)
    for name, value in expected.items():
        assert torch.equal(own[name], value), name


@pytest.mark.parametrize('name', ['tiny', 'small', 'large'])
def test_logits_equal_the_official_code(name, file):
    arrays, state = official.read(official.DATA / f'{name}_like.npz')
    arch = official.ARCHS[f'{name}_like']
    model = build_internimage_classifier(arch, num_classes=10).eval()
    load_checkpoint(model, file(dict(model=state)))
    with torch.no_grad():
        logits = model(arrays['input'])
    assert official.relative_error(logits, arrays['logits']) < 1e-5


@pytest.mark.skipif(
    not (official.SHARED / 'huge_like.npz').exists(),
    reason='the 6 MB file of a large head is not in the repository',
)
def test_attention_pooled_logits_equal_the_official_code(file):
    arrays, state = official.read(official.SHARED / 'huge_like.npz')
    arch = official.ARCHS['huge_like']
    model = build_internimage_classifier(arch, num_classes=10).eval()
    load_checkpoint(model, file(dict(model=state)))
    with torch.no_grad():
        logits = model(arrays['input'])
    assert official.relative_error(logits, arrays['logits']) < 1e-5


def test_load_from_of_a_runner(file, tmp_path):
    state = fixture_state('small')
    model = build_internimage_classifier(SMALL, num_classes=10)
    runner = Runner(
        model,
        work_dir=str(tmp_path),
        load_from=file(dict(model=state)),
        default_scope='mmpretrain',
        experiment_name='load_from',
    )
    runner.register_hook(CheckpointFitHook())
    runner.load_or_resume()
    assert torch.equal(model.head.fc.weight, state['head.weight'])
    assert_holds(model.backbone, state)


def test_missing_layer_scale_is_one(file):
    """Classification T in a detector: the same function."""
    arrays, state = official.read(official.DATA / 'tiny_like.npz')
    model = InternImage(TINY, layer_scale=1e-3).eval()
    load_checkpoint(model, file(dict(model=state)))
    with torch.no_grad():
        last = model(arrays['input'])[-1]
    assert official.relative_error(last, arrays['stage3']) < 1e-5


def test_loader_reports_what_it_did(file, caplog):
    logger = MMLogger.get_instance('report')
    logger.addHandler(caplog.handler)
    content = hugging_face(fixture_state('small'))
    with caplog.at_level(logging.INFO):
        load_checkpoint(InternImage(SMALL), file(content))
    assert '127 tensors matched, 127 of them renamed' in caplog.text
    assert 'left out: conv_head (6), head (2)' in caplog.text


@pytest.mark.parametrize(
    ('model', 'content', 'words'),
    [
        (
            InternImage(TINY),
            dict(model=dict(w=torch.ones(1))),
            'no InternImage',
        ),
        (InternImage(TINY), dict(state_dict={}), 'no InternImage'),
        ('tiny', 'tiny', r'8 channels, depths 1-1-2-1.*64 channels'),
        (InternImage(TINY), 'partial', r"lacks 1: 'levels\.3\.norm"),
        (InternImage(TINY), 'small', r'10 more are in it: .*layer_scale=1'),
        (
            InternImage(dict(TINY, groups=(2, 4, 8, 16))),
            'tiny',
            r"20 differ in shape: 'levels\.0\.blocks\.0\.dcn\.",
        ),
    ],
)
def test_what_does_not_fit_is_an_error(model, content, words, file):
    if isinstance(model, str):
        with torch.device('meta'):
            model = InternImage(model)
    if isinstance(content, str):
        name = 'tiny' if content == 'partial' else content
        state = fixture_state(name)
        if content == 'partial':
            del state['levels.3.norm.0.weight']
        content = dict(model=state)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(model, file(content))


def test_published_variant_is_named():
    with torch.device('meta'):
        small = InternImage('small').state_dict()
        tiny = InternImage('tiny')
    with pytest.raises(CheckpointError, match=r"like 'small' .*is 'tiny' "):
        tiny.load_state_dict(small)


def test_nothing_for_a_nested_backbone_names_the_way_out(file):
    model = torch.nn.ModuleDict(dict(backbone=InternImage(TINY)))
    path = file(dict(model=fixture_state('tiny')))
    with pytest.raises(CheckpointError, match="type='Pretrained'"):
        load_checkpoint(model, path)


def test_two_online_networks_are_ambiguous():
    state = official.backbone_part(fixture_state('tiny'))
    content = {**prefixed('a.', state), **prefixed('b.', state)}
    with pytest.raises(CheckpointError, match=r"several .*'a\.', 'b\.'"):
        InternImage(TINY).load_state_dict(content)


def test_non_strict_load_raises_too():
    with pytest.raises(CheckpointError, match='no InternImage'):
        InternImage(TINY).load_state_dict({}, strict=False)


def test_own_checkpoint_loads_unchanged(file):
    source = build_internimage_classifier(TINY, num_classes=3)
    target = build_internimage_classifier(TINY, num_classes=3)
    load_checkpoint(target, file(dict(state_dict=source.state_dict())))
    assert_holds(target, source.state_dict())
