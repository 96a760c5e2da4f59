"""A step is one graph, and the host never waits for it."""

from __future__ import annotations

import pytest
import torch
from m3i_cases import m3i_config, make_samples
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.model import revert_sync_batchnorm
from toy.recipes import FILES, ReadCounter, distinct, samples, shrink, views
from toy.versions import ONE_GRAPH

from m3i_mm.datasets import AnnotationError, Annotations, collate_annotated
from m3i_mm.registry import MODELS

# an ablation is M3I with fewer objectives
RECIPES = distinct(
    path
    for path in FILES
    if path.parent.name != 'ablations' and '-without-' not in path.name
)


def small(path):
    return revert_sync_batchnorm(
        MODELS.build(shrink(Config.fromfile(path).model))
    ).train()


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_loss_reads_nothing(path):
    model = small(path)
    inputs = views(model)
    annotations = model.collect(samples())
    with ReadCounter() as counter:
        losses = model.loss(inputs, annotations)
    assert counter.reads == 0
    assert any(name.startswith('loss_') for name in losses)


@ONE_GRAPH
@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_loss_is_one_graph(path):
    model = small(path)
    inputs = views(model)
    annotations = model.collect(samples())
    torch._dynamo.reset()
    loss = torch.compile(model.loss, fullgraph=True, backend='eager')
    assert any(name.startswith('loss_') for name in loss(inputs, annotations))


def test_counter_sees_reads():
    with ReadCounter() as counter:
        torch.ones(1).item()
        if torch.ones(1):
            int(torch.ones(1))
    assert counter.reads == 3


@ONE_GRAPH
def test_a_setting_compiles_the_step(two_views):
    cfg = m3i_config(compile=dict(backend='eager'))
    cfg['input'] = dict(type='SingleView')
    cfg['objectives'] = {'category': cfg['objectives']['category']}
    model = MODELS.build(cfg)
    plain = model.loss(two_views, make_samples())
    compiled = model(two_views, make_samples(), mode='loss')
    torch.testing.assert_close(
        compiled['loss_category'], plain['loss_category']
    )


def counting(model):
    """Count the images that each encoder sees."""
    counts = {}

    def count(name):
        def hook(module, inputs):
            counts[name] = counts.get(name, 0) + len(inputs[0])

        return hook

    model.backbone.register_forward_pre_hook(count('online'))
    if model.momentum_encoder is not None:
        model.momentum_encoder.backbone.register_forward_pre_hook(
            count('momentum')
        )
    return counts


@pytest.mark.parametrize(
    ('row', 'expected'),
    [
        ('simclr', dict(online=8)),
        ('simsiam', dict(online=8)),
        ('barlow-twins', dict(online=8)),
        ('byol', dict(online=8, momentum=8)),
        ('m3i', dict(online=2, momentum=4)),
        # two whole views and two small ones
        ('dino', dict(online=16, momentum=8)),
        ('swav', dict(online=16)),
        # its masked views do not pass the backbone's forward
        ('ibot', dict(momentum=8)),
    ],
)
def test_each_view_is_encoded_once(row, expected):
    (path,) = (p for p in FILES if p.name.startswith(f'{row}_vit-small-p16_1'))
    model = small(path)
    counts = counting(model)
    model.loss(views(model), samples())
    assert counts == expected


def test_one_encoding_serves_targets_with_and_without_gradient(two_views):
    def target(stop_gradient):
        return dict(
            target=dict(
                type='GlobalFeatures',
                encoder='online',
                stop_gradient=stop_gradient,
            ),
            decoder=dict(type='PoolingDecoder'),
            likelihood=dict(type='Gaussian'),
        )

    objectives = dict(first=target(True), second=target(False))
    model = MODELS.build(
        m3i_config(
            input=dict(type='SingleView'),
            objectives=objectives,
            momentum_encoder=None,
            decoders=None,
        )
    )
    counts = counting(model)
    losses = model.loss(two_views, make_samples())
    assert counts == dict(online=16)
    first, second = losses['loss_first'], losses['loss_second']
    torch.testing.assert_close(first, second)
    weight = model.backbone.patch_embed.projection.weight
    (stopped,) = torch.autograd.grad(first, weight, retain_graph=True)
    (learnt,) = torch.autograd.grad(second, weight)
    assert (stopped - learnt).abs().max() > 1e-6


# ---------------------------------------------------------------- annotations


def test_collate_stacks_what_default_collate_lists():
    batch = [
        dict(inputs=[torch.rand(3, 4, 4)] * 2, data_samples=sample)
        for sample in make_samples(4)
    ]
    stacked, listed = collate_annotated(batch), default_collate(batch)
    torch.testing.assert_close(stacked['inputs'], listed['inputs'])
    annotations = stacked['data_samples']
    assert len(annotations) == 4
    for row, (note, sample) in enumerate(
        zip(annotations, listed['data_samples'], strict=True)
    ):
        assert note['sample_key'] == sample.sample_key
        for name in ('gt_label', 'view_geometry'):
            value = annotations.fields[name].values[row]
            assert torch.equal(value, getattr(sample, name))
    # two columns are padding everywhere
    texts = annotations.fields['text_tokens']
    assert texts.values.tolist() == [[1 + n, 9, 3] for n in range(4)]
    assert texts.valid.all()


def test_texts_of_different_lengths():
    samples = make_samples(3)
    samples[0].set_field(torch.tensor([5, 6, 1, 1]), 'text_tokens')
    samples[1].set_field(torch.tensor([5, 6, 7]), 'text_tokens')
    del samples[2].text_tokens
    texts = Annotations.stack(samples, dict(text_tokens=1)).fields[
        'text_tokens'
    ]
    assert texts.values.tolist() == [[5, 6, 1], [5, 6, 7], [1, 1, 1]]
    assert texts.valid.tolist() == [True, True, False]


def test_shapes_that_differ_name_the_sample():
    samples = make_samples(4)
    samples[2].set_field(torch.zeros(1, 7), 'view_geometry')
    with pytest.raises(
        AnnotationError, match=r'sample-2: view_geometry.*1, 7'
    ):
        Annotations.stack(samples)


@pytest.mark.parametrize('label', [-1, 5])
def test_labels_are_checked_where_they_come_from(two_views, label):
    """On a device whose values cannot be read, the error is as clear."""
    model = MODELS.build(m3i_config())
    samples = make_samples()
    samples[5].set_gt_label(label)
    annotations = Annotations.stack(samples).to('meta')
    assert annotations.fields['gt_label'].values.is_meta
    with pytest.raises(
        AnnotationError, match=f"'category'.*sample-5: gt_label is {label}, "
    ):
        model(two_views, annotations, mode='loss')


def test_empty_text_is_found_before_the_batch_is_made():
    samples = make_samples()
    samples[6].set_field(torch.ones(6, dtype=torch.long), 'text_tokens')
    with pytest.raises(
        AnnotationError, match='sample-6: text_tokens is empty'
    ):
        Annotations.stack(samples, dict(text_tokens=1))


def test_padding_of_another_tokenizer(two_views):
    model = MODELS.build(m3i_config())
    annotations = Annotations.stack(make_samples(), dict(text_tokens=1))
    with pytest.raises(
        AnnotationError, match=r"'text'.*token 1.*takes 0.*text_tokens=0"
    ):
        model(two_views, annotations, mode='loss')


def test_tokens_of_another_tokenizer(two_views):
    model = MODELS.build(m3i_config())
    samples = make_samples()
    samples[3].text_tokens[1] = 50
    with pytest.raises(
        AnnotationError,
        match=r"'text'.*sample-3: text_tokens has the token 50, but "
        r'TextTransformer knows 50 .*Give Tokenize',
    ):
        model(two_views, samples, mode='loss')


def test_geometry_that_some_lack(two_views):
    samples = make_samples()
    del samples[3].view_geometry
    with pytest.raises(ValueError, match="'inter'.*sample-3 has no"):
        MODELS.build(m3i_config())(two_views, samples, mode='loss')
