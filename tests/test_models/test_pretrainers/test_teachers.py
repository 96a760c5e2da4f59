"""Teachers: frozen, in their own pixels, and not in the checkpoint."""

from __future__ import annotations

import pytest
import torch
from m3i_cases import WIDTH, m3i_config
from mmengine.logging import MMLogger
from torch.nn import functional as F
from toy.foundation import write_open_clip, write_timm
from toy.versions import ONE_GRAPH

from m3i_mm.checkpoints import CheckpointError
from m3i_mm.engine.hooks.checkpoint_fit_hook import CheckpointFitHook
from m3i_mm.models.pretrainers.targets.image import _log_resampled
from m3i_mm.registry import MODELS

pytestmark = pytest.mark.openmmlab
PREPROCESSOR = dict(mean=[120.0, 115.0, 110.0], std=[60.0, 61.0, 62.0])


def linear(out):
    return dict(
        type='LinearNeck',
        in_channels=WIDTH,
        out_channels=out,
        gap_dim=0,
        norm_cfg=None,
        act_cfg=None,
    )


def objective(encoder, width, dense=True):
    decoder = 'DenseDecoder' if dense else 'PoolingDecoder'
    target = (
        dict(type='DenseFeatures', encoder=encoder)
        if dense
        else dict(type='GlobalFeatures', encoder=encoder, view='same')
    )
    return dict(
        target=target,
        decoder=dict(type=decoder, layers=[linear(width)]),
        likelihood=dict(type='Gaussian', normalize=not dense),
    )


def config(folder, objectives=None, **teacher):
    return m3i_config(
        input=dict(type='SingleView'),
        decoders=None,
        momentum_encoder=None,
        data_preprocessor=PREPROCESSOR,
        teachers=dict(dino=dict(type='Teacher', name=str(folder), **teacher)),
        objectives=objectives or dict(y=objective('dino', 64)),
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('teacher')
    write_timm(path)
    return path


def test_the_teacher_sees_the_view_in_its_own_pixels(folder):
    reference = write_timm(folder, dynamic_img_size=True)
    model = MODELS.build(config(folder, size=64)).train()
    pixels = torch.randint(0, 256, (2, 3, 32, 32)).float()
    mean, std = (
        torch.tensor(PREPROCESSOR[key]).view(3, 1, 1)
        for key in ('mean', 'std')
    )
    tokens = model.teachers['dino']((pixels - mean) / std)
    image = F.interpolate(
        pixels / 255, (64, 64), mode='bicubic', antialias=True
    )
    seen = reference.forward_features((image - 0.5) / 0.5)
    torch.testing.assert_close(
        tokens.values, seen[:, reference.num_prefix_tokens :]
    )
    torch.testing.assert_close(
        tokens.mean(), reference.forward_head(seen, pre_logits=True)
    )
    assert tokens.grid == (4, 4)


def test_dense_and_global_losses(folder, two_views):
    objectives = dict(
        dense=objective('dino', 64), whole=objective('dino', 64, dense=False)
    )
    model = MODELS.build(config(folder, objectives, size=64)).train()
    calls = []
    model.teachers['dino'].register_forward_hook(lambda *_: calls.append(1))
    losses = model.loss(two_views)
    assert len(calls) == 1
    teacher, student = (
        model.teachers['dino'](two_views[0]),
        model.encode(two_views[0]),
    )
    head = model.decoders['dense'].layers[0].fc
    expected = F.mse_loss(
        head(student.values), F.layer_norm(teacher.values, (64,))
    )
    torch.testing.assert_close(losses['loss_dense'], expected)
    head = model.decoders['whole'].layers[0].fc
    cosine = F.cosine_similarity(head(student.mean()), teacher.mean())
    torch.testing.assert_close(losses['loss_whole'], (2 - 2 * cosine).mean())
    (losses['loss_dense'] + losses['loss_whole']).backward()
    assert not any(p.requires_grad for p in model.teachers.parameters())
    assert all(not m.training for m in model.teachers['dino'].modules())


@pytest.mark.parametrize('precision', ['bfloat16', 'float16'])
def test_half_precision(folder, precision):
    full = MODELS.build(config(folder)).teachers['dino']
    half = MODELS.build(config(folder, precision=precision)).teachers['dino']
    assert {p.dtype for p in half.model.parameters()} == {half.dtype}
    images = torch.randn(2, 3, 32, 32)
    tokens = half(images)
    assert tokens.values.dtype == tokens.pooled.dtype == torch.float32
    cosine = F.cosine_similarity(tokens.values, full(images).values, dim=-1)
    assert cosine.min() > 0.99
    # the weights are the same, whatever it computes in
    assert torch.equal(half.identity, full.identity)
    with pytest.raises(ValueError, match="one of float32.*got 'fp16'"):
        MODELS.build(config(folder, precision='fp16'))


def test_other_patches_are_resampled_and_it_is_said_once(
    folder, two_views, monkeypatch
):
    said = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'log', lambda level, text: said.append(text))
    _log_resampled.cache_clear()
    model = MODELS.build(config(folder)).train()  # 2x2 patches to 4x4
    losses = [model.loss(two_views)['loss_y'] for _ in range(2)]
    torch.testing.assert_close(*losses)
    assert sum('2x2 patches' in text and '4x4' in text for text in said) == 1
    target = model.teachers['dino'](two_views[0])
    features = target.values.mT.unflatten(2, (2, 2))
    expected = F.interpolate(features, (4, 4), mode='bilinear', antialias=True)
    torch.testing.assert_close(
        target.resize((4, 4)).values, expected.flatten(2).mT
    )


@ONE_GRAPH
def test_a_step_with_a_teacher_is_one_graph(folder, two_views):
    model = MODELS.build(config(folder)).train()
    expected = model.loss(two_views)['loss_y']
    torch._dynamo.reset()
    loss = torch.compile(model.loss, fullgraph=True, backend='eager')
    annotations = model.collect(None)
    torch.testing.assert_close(
        loss(two_views, annotations)['loss_y'], expected
    )


def test_checkpoints_hold_its_identity_alone(folder, two_views):
    model = MODELS.build(config(folder)).train()
    state = model.state_dict()
    names = [name for name in state if name.startswith('teachers.')]
    assert names == ['teachers.dino.identity']
    other = MODELS.build(config(folder)).train()
    assert other.load_state_dict(state).missing_keys == []
    before = model.loss(two_views)['loss_y']
    torch.testing.assert_close(other.loss(two_views)['loss_y'], before)
    assert b'test_vit' not in bytes(state[names[0]].tolist())[:32]
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=1.0
    )
    assert len(optimizer.param_groups[0]['params']) < 60


class Runner:
    """What the hook asks of a runner."""

    _load_from = 'epoch_1.pth'
    _train_loop = None

    def __init__(self, model, resume):
        self.model, self._resume, self.cfg = model, resume, {}


def test_another_teacher_on_resume(folder, tmp_path):
    model = MODELS.build(config(folder))
    checkpoint = dict(state_dict=model.state_dict())
    write_timm(tmp_path, seed=1)
    other = MODELS.build(config(tmp_path))
    hook = CheckpointFitHook()
    hook.after_load_checkpoint(Runner(model, True), dict(checkpoint))
    with pytest.raises(CheckpointError, match=r'taught by .*but the teacher'):
        hook.after_load_checkpoint(Runner(other, True), dict(checkpoint))
    # a new run may start from it
    loaded = dict(checkpoint)
    hook.after_load_checkpoint(Runner(other, False), loaded)
    other.load_state_dict(loaded['state_dict'])
    weights = dict(other.teachers['dino'].model.named_parameters())
    fresh = MODELS.build(config(tmp_path)).teachers['dino'].model
    for name, parameter in fresh.named_parameters():
        assert torch.equal(parameter, weights[name])


def test_init_weights_leaves_it_alone(folder):
    model = MODELS.build(config(folder))
    before = [p.clone() for p in model.teachers.parameters()]
    model.init_weights()
    for old, new in zip(before, model.teachers.parameters(), strict=True):
        assert torch.equal(old, new)


def test_clip_teaches_where_its_texts_are(tmp_path, two_views):
    reference = write_open_clip(tmp_path)
    cfg = config(tmp_path, dict(y=objective('dino', 4, dense=False)))
    model = MODELS.build(cfg).train()
    teacher = model.teachers['dino']
    expected = reference.encode_image(teacher.pixels(two_views[0]))
    torch.testing.assert_close(teacher(two_views[0]).mean(), expected)
    assert model.loss(two_views)['loss_y'].isfinite()


def test_an_encoder_that_is_no_teacher(folder):
    cfg = config(folder, dict(y=objective('dono', 64)))
    with pytest.raises(ValueError, match=r"'y'.*'dono'.*Did you mean 'dino'"):
        MODELS.build(cfg)


def test_an_inherited_teacher_is_switched_off(folder):
    cfg = config(folder)
    cfg['teachers']['clip'] = None
    assert list(MODELS.build(cfg).teachers) == ['dino']
