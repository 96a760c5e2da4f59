"""The model as a whole: losses, gradients, logs and bad input."""

from __future__ import annotations

import copy

import pytest
import torch
from m3i_cases import CONVNEXT, VIT, WIDTH, m3i_config, make_samples

from m3i_mm.models.pretrainers import (
    Mask,
    MaskError,
    MissingInputError,
    MomentumEncoder,
)
from m3i_mm.registry import MODELS

pytestmark = pytest.mark.openmmlab
NAMES = ['intra', 'inter', 'category', 'text']


@pytest.mark.parametrize(
    ('backbone', 'patch_size'), [(VIT, 8), (VIT, 16), (CONVNEXT, 16)]
)
def test_one_step_trains_every_parameter(backbone, patch_size, two_views):
    model = MODELS.build(m3i_config(backbone, patch_size))
    model.init_weights()
    losses = model(two_views, make_samples(), mode='loss')
    assert [k for k in losses if 'loss' in k] == [f'loss_{n}' for n in NAMES]
    total, _ = model.parse_losses(losses)
    total.backward()
    for name, parameter in model.named_parameters():
        if name.startswith('momentum_encoder'):
            assert parameter.grad is None
        else:
            assert parameter.grad.isfinite().all(), name


def test_logs_say_what_a_run_needs(model, two_views):
    losses = model.loss(two_views, make_samples())
    _, logs = model.parse_losses(losses)
    assert logs['weight_intra'] == 0.5
    assert logs['variance_inter'] == 0.5
    torch.testing.assert_close(logs['temperature_text'], torch.tensor(0.07))
    assert 0 < logs['feature_std'] <= 1.5
    assert 1 <= logs['effective_rank'] <= 7


def test_each_objective_alone_gives_its_loss(model, two_views):
    samples = make_samples()
    model.input.draw_members = _fixed_owners
    together = model.loss(two_views, samples)
    for name in NAMES:
        cfg = m3i_config()
        cfg['objectives'] = {name: cfg['objectives'][name]}
        alone = MODELS.build(cfg)
        alone.load_state_dict(model.state_dict(), strict=False)
        alone.input.draw_members = _fixed_owners
        torch.testing.assert_close(
            alone.loss(two_views, samples)[f'loss_{name}'],
            together[f'loss_{name}'],
        )


def _fixed_owners(mixes, grid, device):
    owner = torch.arange(grid[0] * grid[1], device=device) % 2
    owner = owner.view(1, *grid).expand(mixes, -1, -1)
    return [Mask.of(owner == number) for number in range(2)]


def test_weights_scale_losses(model, two_views):
    model.input.draw_members = _fixed_owners
    before = model.loss(two_views, make_samples())
    model.objectives['text'].weight = 3.0
    after = model.loss(two_views, make_samples())
    torch.testing.assert_close(after['loss_text'], 3 * before['loss_text'])


def test_samples_without_a_target_give_the_others(model, two_views):
    """Half without labels: the loss is the mean over the others."""
    model.input.draw_members = _fixed_owners
    full = make_samples()
    part = make_samples()
    for sample in part[::2]:
        del sample.gt_label
    prediction = {}
    for kind, samples in (('full', full), ('part', part)):
        captured = {}
        objective = model.objectives['category']
        forward = objective.likelihood.forward

        def keep(values, target, captured=captured, forward=forward):
            captured['losses'] = forward(values, target)
            captured['valid'] = target.valid
            return captured['losses']

        objective.likelihood.forward = keep
        captured['loss'] = model.loss(two_views, samples)['loss_category']
        objective.likelihood.forward = forward
        prediction[kind] = captured
    valid = prediction['part']['valid']
    assert valid.sum() == 4
    torch.testing.assert_close(
        prediction['part']['loss'], prediction['full']['losses'][valid].mean()
    )


def test_missing_texts_are_no_negatives(model, two_views):
    model.input.draw_members = _fixed_owners
    samples = make_samples()
    for sample in samples[4:]:
        del sample.text_tokens
    some = model.loss(two_views, samples)['loss_text']
    first = [view[:4] for view in two_views]
    few = model.loss(first, samples[:4])['loss_text']
    torch.testing.assert_close(some, few)


def test_no_text_at_all_keeps_the_graph_and_then_stops(two_views):
    model = MODELS.build(m3i_config(patience=2))
    samples = make_samples(texts=False)
    losses = model.loss(two_views, samples)
    assert losses['loss_text'] == 0
    model.parse_losses(losses)[0].backward()
    encoder = model.objectives['text'].target.text_encoder
    assert all(p.grad is not None for p in encoder.parameters())
    with pytest.raises(MissingInputError, match="'text'.*'text_tokens'"):
        model.loss(two_views, samples)


def test_nothing_flows_into_image_targets(model, two_views):
    """The gradient of the online encoder ignores what the target does."""
    model.input.draw_members = _fixed_owners
    frozen = copy.deepcopy(model)
    for parameter in frozen.momentum_encoder.parameters():
        assert not parameter.requires_grad
    losses = model.loss(two_views, make_samples())
    losses['loss_inter'].backward()
    assert model.momentum_encoder.backbone.cls_token.grad is None


def test_momentum_encoder_averages(model):
    online = model.backbone.patch_embed.projection.weight
    average = model.momentum_encoder.backbone.patch_embed.projection.weight
    torch.testing.assert_close(online, average)
    old = average.clone()
    with torch.no_grad():
        online.add_(1.0)
    model.update_momentum_encoder(0.9)
    torch.testing.assert_close(average, 0.9 * old + 0.1 * online)
    assert model.momentum_encoder.steps == 1
    model.sync_momentum_encoder()  # trained: keeps its weights
    torch.testing.assert_close(average, 0.9 * old + 0.1 * online)


def test_momentum_encoder_of_another_structure(model):
    del model.backbone.layers[-1]
    with pytest.raises(ValueError, match=r'structure.*layers\.1'):
        model.update_momentum_encoder(0.9)


def test_predict_represents_images(model, two_views):
    model.eval()
    samples = make_samples()
    del samples[3].text_tokens
    with torch.no_grad():
        outputs = model(two_views[0], samples, mode='predict')
        maps = model(two_views[0])
    feature = outputs[2].feature
    torch.testing.assert_close(feature, maps[-1][2].mean((1, 2)))
    assert outputs[2].pred_score.sum().item() == pytest.approx(1, abs=1e-5)
    embedding = outputs[2].image_embedding
    torch.testing.assert_close(embedding.norm(), torch.tensor(1.0))
    tokens = samples[2].text_tokens[None]
    torch.testing.assert_close(
        outputs[2].text_embedding, model.encode_text(tokens)[0]
    )
    assert not hasattr(outputs[3], 'text_embedding')


def test_state_dict_has_no_copies(model):
    names = [n for n in model.state_dict() if 'mask_token' in n]
    assert names == ['decoders.image.mask_token']


def test_learned_weights_start_as_plain_sums(two_views):
    plain = MODELS.build(m3i_config())
    learned = MODELS.build(m3i_config(weights=dict(type='LearnedWeights')))
    learned.load_state_dict(plain.state_dict(), strict=False)
    shift = 0.5 * torch.tensor(0.5).log()
    for model in (plain, learned):
        model.input.draw_members = _fixed_owners
    first = plain.loss(two_views, make_samples())
    second = learned.loss(two_views, make_samples())
    torch.testing.assert_close(second['loss_text'], first['loss_text'] + shift)


def test_bfloat16_losses_are_float32(model, two_views):
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(two_views, make_samples())
    assert {losses[f'loss_{n}'].dtype for n in NAMES} == {torch.float32}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(momentum_encoder=None), "'intra'.*momentum_encoder"),
        (dict(decoders={}), "'intra'.*'image'"),
    ],
)
def test_parts_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(m3i_config(**change))


@pytest.mark.parametrize(
    ('name', 'likelihood', 'message'),
    [
        (
            'category',
            dict(type='Boltzmann', label_smoothing=0.1),
            "'category'.*likelihood.type to 'Categorical'.*'Contrast'",
        ),
        (
            'category',
            dict(type='Categorical', symmetric=True),
            "'category'.*Categorical takes no.*'symmetric'.*one of Contrast",
        ),
        (
            'text',
            dict(type='Contrast', label_smoothing=0.1),
            "'text'.*no argument 'label_smoothing'.*one of Categorical",
        ),
        (
            'text',
            dict(type='Categorical'),
            "'text'.*scores Choices.*TextTarget gives Features.*to Contrast",
        ),
    ],
)
def test_likelihoods_that_do_not_fit(name, likelihood, message):
    cfg = m3i_config()
    cfg['objectives'][name]['likelihood'] = likelihood
    with pytest.raises(ValueError, match=message):
        MODELS.build(cfg)


def test_frozen_encoder_that_is_not_configured():
    cfg = m3i_config()
    cfg['objectives']['intra']['target']['encoder'] = 'frozen'
    with pytest.raises(ValueError, match=r"'intra'.*set frozen_encoder"):
        MODELS.build(cfg)


def test_mask_of_unequal_counts_names_the_image():
    cells = torch.zeros(3, 2, 2, dtype=torch.bool)
    cells[:, 0] = True
    cells[2, 1, 1] = True
    with pytest.raises(MaskError, match='image 2.*has 3 and image 0 has 2'):
        Mask.of(cells)


def test_frozen_encoder_teaches(two_views):
    cfg = m3i_config(
        frozen_encoder=dict(type='FrozenEncoder', backbone=VIT),
    )
    cfg['objectives']['intra']['target']['encoder'] = 'frozen'
    model = MODELS.build(cfg).train()
    losses = model.loss(two_views, make_samples())
    losses['loss_intra'].backward()
    teacher = model.frozen_encoder
    assert not any(module.training for module in teacher.modules())
    assert all(p.grad is None for p in teacher.parameters())
    assert model.backbone.patch_embed.projection.weight.grad.abs().max() > 0


@pytest.mark.parametrize('batch_norm', ['batch', 'running'])
def test_momentum_encoder_has_no_noise(batch_norm):
    noisy = torch.nn.Sequential(
        torch.nn.Conv2d(3, WIDTH, 8, 8),
        torch.nn.BatchNorm2d(WIDTH),
        torch.nn.Dropout(0.5),
    )
    encoder = MomentumEncoder(noisy, batch_norm=batch_norm).train()
    images = torch.randn(4, 3, 16, 16)
    first, second = (encoder(images).values for _ in range(2))
    if batch_norm == 'batch':
        # over the images at hand; running means move, outputs do not
        assert first.mean((0, 1)).abs().max() < 1e-5
    else:
        assert first.mean((0, 1)).abs().max() > 1e-3
    assert torch.equal(first, second)


def test_incomplete_objective():
    cfg = m3i_config()
    del cfg['objectives']['text']['decoder']
    with pytest.raises(ValueError, match=r"'text' lacks \['decoder'\]"):
        MODELS.build(cfg)


def test_member_that_the_input_does_not_have():
    cfg = m3i_config()
    cfg['objectives']['inter']['members'] = (2,)
    with pytest.raises(ValueError, match=r"'inter'.*images 0 to 1"):
        MODELS.build(cfg)


def test_odd_batch(model, two_views):
    with pytest.raises(ValueError, match='2 images into one.*has 7'):
        model.loss([v[:7] for v in two_views], make_samples(7))


def test_missing_second_view(model, two_views):
    with pytest.raises(MissingInputError, match="'inter'.*View 1"):
        model.loss(two_views[:1], make_samples())


def test_missing_geometry(model, two_views):
    samples = make_samples()
    del samples[3].view_geometry
    with pytest.raises(MissingInputError, match="'inter'.*view_geometry"):
        model.loss(two_views, samples)


def test_label_out_of_range(model, two_views):
    samples = make_samples()
    samples[5].set_gt_label(7)
    with pytest.raises(ValueError, match='sample-5: gt_label is 7.*0 to 4'):
        model.loss(two_views, samples)


def test_empty_text(model, two_views):
    samples = make_samples()
    samples[6].set_field(torch.zeros(6, dtype=torch.long), 'text_tokens')
    with pytest.raises(ValueError, match='sample-6: text_tokens is empty'):
        model.loss(two_views, samples)


def test_size_that_does_not_divide(model):
    views = [torch.randn(8, 3, 36, 32)] * 2
    with pytest.raises(ValueError, match='36x32.*patches of 8'):
        model.loss(views, make_samples())


def test_token_of_two_images(two_views):
    model = MODELS.build(m3i_config(CONVNEXT, patch_size=8))
    with pytest.raises(ValueError, match='2x2 tokens.*4x4 patches'):
        model.loss(two_views, make_samples())


def test_backbone_without_feature_map(two_views):
    model = MODELS.build(m3i_config(dict(VIT, out_type='raw')))
    with pytest.raises(ValueError, match='feature maps.*featmap'):
        model.loss(two_views, make_samples())


def test_no_text_target():
    cfg = m3i_config()
    del cfg['objectives']['text']
    with pytest.raises(ValueError, match='no target with encode_text.*intra'):
        MODELS.build(cfg).encode_text(torch.ones(1, 4, dtype=torch.long))


def test_heads_that_do_not_divide():
    cfg = m3i_config()
    cfg['decoders']['image']['num_heads'] = 5
    with pytest.raises(ValueError, match=f'num_heads=5.*{24}'):
        MODELS.build(cfg)


def test_one_image_has_no_negatives():
    cfg = m3i_config(input=dict(type='SingleView'))
    cfg['objectives'] = {'text': cfg['objectives']['text']}
    with pytest.raises(ValueError, match='at least two images'):
        MODELS.build(cfg).loss([torch.randn(1, 3, 32, 32)], make_samples(1))


def test_width_of_the_target():
    cfg = m3i_config()
    cfg['decoders']['image']['out_dims'] = 2 * WIDTH
    with pytest.raises(ValueError, match=f'set its width to {WIDTH}'):
        MODELS.build(cfg).loss([torch.randn(8, 3, 32, 32)] * 2, make_samples())
