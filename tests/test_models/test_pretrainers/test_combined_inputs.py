"""Several inputs in one step, and targets behind layers of their own."""

import pytest
import torch
from m3i_cases import WIDTH, m3i_config, make_samples
from mmengine.registry import DefaultScope

import m3i_mm.models  # noqa: F401
from m3i_mm.models.pretrainers.batch import Batch
from m3i_mm.models.pretrainers.inputs import group_size
from m3i_mm.registry import MODELS

MIXED_AND_WHOLE = dict(
    type='CombinedInputs',
    inputs=[
        dict(type='PatchMix', patch_size=8),
        dict(type='SingleView'),
        dict(type='BothViews'),
    ],
)
LAYER = dict(type='LinearNeck', in_channels=WIDTH, out_channels=6)


def build(cfg):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(cfg)


def with_members(**members):
    cfg = m3i_config()
    cfg['input'] = MIXED_AND_WHOLE
    for name, numbers in members.items():
        cfg['objectives'][name]['members'] = numbers
    return cfg


def test_members_are_numbered_through():
    combined = MODELS.build(MIXED_AND_WHOLE)
    assert combined.num_members == 4
    assert group_size(combined) == 2
    steps = combined(Batch([torch.rand(4, 3, 32, 32)] * 2))
    shown = [
        [number for number in range(4) if step.shown([number])]
        for step in steps
    ]
    # both views are two passes of one member
    assert shown == [[0, 1], [2], [3], [3]]
    assert [m.count for m in steps[0].shown((1, 0))] == [2, 2]
    assert steps[0].shown((1, 0))[0].number == 1
    assert [step.shown((3,))[0].view for step in steps[2:]] == [0, 1]


def test_each_target_is_predicted_from_its_input(two_views):
    """The losses of one model on one input each, at the same weights."""
    members = dict(intra=(0,), inter=(1,), category=(2,), text=(3,))
    combined = build(with_members(**members))
    combined.init_weights()
    combined.eval()
    parts = {
        name: {
            key: value
            for key, value in combined.state_dict().items()
            if not key.startswith('objectives') or f'.{name}.' in key
        }
        for name in members
    }
    samples = make_samples()
    torch.manual_seed(0)
    losses = combined.loss(two_views, samples)
    for name, kind in (('category', 'SingleView'), ('text', 'BothViews')):
        cfg = m3i_config()
        cfg['input'] = dict(type=kind)
        cfg['objectives'] = {name: cfg['objectives'][name]}
        cfg['objectives'][name].pop('members', None)
        alone = build(cfg)
        alone.load_state_dict(parts[name], strict=False)
        expected = alone.eval().loss(two_views, samples)[f'loss_{name}']
        torch.testing.assert_close(losses[f'loss_{name}'], expected)
    cfg = m3i_config()
    cfg['objectives'] = {k: cfg['objectives'][k] for k in ('intra', 'inter')}
    alone = build(cfg)
    alone.load_state_dict(parts['intra'], strict=False)
    torch.manual_seed(0)  # the same mixes
    expected = alone.eval().loss(two_views, samples)
    for name in ('loss_intra', 'loss_inter'):
        torch.testing.assert_close(losses[name], expected[name])


def test_a_number_that_no_input_has():
    with pytest.raises(ValueError, match=r"'text': members=\(4,\), but Comb"):
        build(with_members(text=(4,)))


def test_no_input_at_all():
    with pytest.raises(ValueError, match='at least one input'):
        MODELS.build(dict(type='CombinedInputs', inputs=[]))


def test_parts_of_a_batch_keep_mixes_whole():
    with pytest.raises(ValueError, match='takes 2 images at a time'):
        build(dict(with_members(), micro_batch=3))


def projected(**target):
    cfg = m3i_config()
    cfg.update(input=dict(type='BothViews'), decoders=None)
    cfg['objectives'] = dict(
        y=dict(
            target=dict(type='ProjectedFeatures', layers=[LAYER], **target),
            decoder=dict(type='PoolingDecoder', layers=[LAYER]),
            likelihood=dict(type='Contrast', normalize=True),
        )
    )
    return build(cfg)


def test_projected_features_are_compared_behind_their_layers(two_views):
    model = projected()
    model.eval()
    loss = model.loss(two_views)['loss_y']
    target = model.objectives['y'].target.layers[0].fc
    prediction = model.decoders['y'].layers[0].fc
    means = [model.encode(view).mean() for view in two_views]
    rows = []
    for view in (0, 1):
        ours = torch.nn.functional.normalize(prediction(means[view]), dim=1)
        theirs = torch.nn.functional.normalize(target(means[1 - view]), dim=1)
        scores = ours @ theirs.T
        rows.append(-scores.log_softmax(1).diagonal().mean())
    torch.testing.assert_close(loss, sum(rows) / 2)


@pytest.mark.parametrize('stop', [False, True])
def test_layers_of_a_target_learn(two_views, stop):
    model = projected(stop_gradient=stop)
    # one pass: nothing is a target and a prediction
    model.input = MODELS.build(dict(type='SingleView'))
    model.decoders['y'].requires_grad_(False)
    seen = model.decoders['y'].forward
    model.decoders['y'].forward = lambda *a: seen(*a).detach()
    model.loss(two_views)['loss_y'].backward()
    assert model.objectives['y'].target.layers[0].fc.weight.grad.any()
    learned = [
        p.grad is not None and bool(p.grad.any())
        for p in model.backbone.parameters()
    ]
    assert any(learned) != stop


def test_what_is_evaluated_is_in_front_of_a_projector():
    cfg = m3i_config()
    cfg['neck'] = dict(LAYER, type='NonLinearNeck', hid_channels=8)
    cfg['input'] = dict(type='SingleView')
    cfg['decoders'] = None
    cfg['momentum_encoder'] = None
    cfg['objectives'] = dict(
        y=dict(
            target=dict(
                type='GlobalFeatures', encoder='online', stop_gradient=False
            ),
            decoder=dict(type='PoolingDecoder'),
            likelihood=dict(type='Contrast', normalize=True),
        )
    )
    model = build(cfg).eval()
    images = torch.rand(2, 3, 32, 32)
    features = torch.stack([s.feature for s in model.predict(images)])
    assert features.shape == (2, WIDTH)
    (last,) = model.extract_feat(images)
    torch.testing.assert_close(features, last.mean((2, 3)))
