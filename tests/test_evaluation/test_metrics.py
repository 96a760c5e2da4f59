"""Metrics on small tables whose results are known."""

import pytest
import torch
from mmengine.registry import DefaultScope
from toy.squares import ToyM3I

from m3i_mm.evaluation import (
    FeatureTable,
    FieldError,
    ImageTextRetrieval,
    InstanceRetrieval,
    KNNAccuracy,
    LinearProbe,
    ZeroShotAccuracy,
)
from m3i_mm.evaluation.metrics.classification import topk_accuracy
from m3i_mm.registry import METRICS

EYE = torch.eye(4)


def make(name='query', **columns):
    return FeatureTable(columns, name=name)


@pytest.fixture
def tables():
    return dict(
        bank=make(
            'bank',
            feature=EYE[[0, 0, 0, 1, 2]],
            group=['x', 'x', 'x', 'y', 'z'],
        ),
        query=make(feature=EYE[[0, 1, 2, 2]], group=['x', 'y', 'z', 'new']),
    )


@pytest.mark.parametrize(
    'metric',
    [KNNAccuracy(k=1, field='group'), LinearProbe(field='group', C=1000)],
)
def test_classification_counts_unknown_classes_as_wrong(tables, metric):
    values = metric.evaluate(tables, None)
    assert values == {f'{metric.prefix}/group_top1': 75}


def test_chance_is_the_most_frequent_class_of_the_bank(tables):
    metric = KNNAccuracy(field='group', topk=(1, 2), prefix='other')
    assert metric.chance(tables) == {
        'other/group_top1': 25,
        'other/group_top2': 50,
    }


def test_a_set_that_is_its_own_bank_leaves_each_sample_out(tables):
    metric = KNNAccuracy(field='group', bank='bank', query='bank', k=1)
    # the three x find one another, y and z only what they are not
    assert metric.evaluate(tables, None) == {'knn/group_top1': 60}


def test_k_larger_than_the_bank(tables):
    with pytest.raises(ValueError, match=r'k=20 .* bank of 5'):
        KNNAccuracy(field='group').evaluate(tables, None)


@pytest.mark.parametrize('name', ['bank', 'query'])
def test_a_set_without_the_field(tables, name):
    del tables[name].columns['group']
    with pytest.raises(
        FieldError, match=f"set '{name}' have no field 'group'"
    ):
        LinearProbe(field='group').evaluate(tables, None)


def test_unknown_scaling():
    with pytest.raises(ValueError, match=r"'whiten'.*center_and_normalize"):
        LinearProbe(scaling='whiten')


def test_topk_accuracy():
    scores = torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.0, 1.0]])
    labels = torch.tensor([1, 0])
    assert topk_accuracy(scores, labels, (1, 2, 5)) == {
        'top1': 0,
        'top2': 100,
        'top5': 100,
    }


def test_instance_retrieval(tables):
    metric = InstanceRetrieval(field='group', gallery='bank', topk=(1, 5))
    assert metric.evaluate(tables, None) == {
        'instance/group_R@1': 75,
        'instance/group_R@5': 75,
    }
    # 3, 1, 1 and 0 right answers among 5
    assert metric.chance(tables)['instance/group_R@1'] == pytest.approx(25)


def test_a_list_of_sets_is_their_union(tables):
    tables['more'] = make('more', feature=EYE[[3]], group=['new'])
    tables['query'].columns['feature'] = EYE
    one = InstanceRetrieval('group', gallery='bank', topk=(1,))
    both = InstanceRetrieval('group', gallery=['bank', 'more'], topk=(1,))
    assert one.evaluate(tables, None) == {'instance/group_R@1': 75}
    assert both.evaluate(tables, None) == {'instance/group_R@1': 100}
    assert both.set_names == ['query', 'bank', 'more']
    with pytest.raises(FieldError, match=r"'bank \+ more' have no field 'x'"):
        InstanceRetrieval('x', 'query', ['bank', 'more']).chance(
            {**tables, 'query': make(x=[1])}
        )


def test_several_texts_per_image_and_images_per_text():
    # image 0: texts a, b; image 1: text b; image 2: text c
    table = make(
        image=['i0', 'i0', 'i1', 'i2'],
        text=['a', 'b', 'b', 'c'],
        image_embedding=EYE[[1, 1, 1, 3]],
        text_embedding=EYE[[0, 1, 1, 3]],
    )
    metric = ImageTextRetrieval(
        image_field='image', text_field='text', topk=(1, 2)
    )
    values = metric.evaluate(dict(query=table), ToyM3I())
    # text b is right for both its images; text a is closest to nothing, and
    # the three images tie: its own counts as the last of them
    assert values['caption/i2t_R@1'] == 100
    assert values['caption/t2i_R@1'] == pytest.approx(200 / 3)
    chance = metric.chance(dict(query=table))
    assert chance['caption/i2t_R@1'] == pytest.approx(100 * 4 / 9)
    assert chance['caption/t2i_R@2'] == pytest.approx(
        100 * (2 / 3 + 1 + 2 / 3) / 3
    )


def test_retrieval_needs_a_model_with_a_text_target():
    table = make(feature=EYE, sample_key=list('abcd'))
    with pytest.raises(FieldError, match='ToyM3I gave no image_embedding'):
        ImageTextRetrieval().evaluate(dict(query=table), ToyM3I())


def test_retrieval_needs_a_text_for_every_sample():
    table = make(image_embedding=EYE, sample_key=list('abcd'))
    table.missing['text_embedding'] = 3
    with pytest.raises(FieldError, match=r'3 of the 4 samples .* no text'):
        ImageTextRetrieval().evaluate(dict(query=table), ToyM3I())


@pytest.fixture
def zero_shot():
    return dict(
        type='m3i_mm.ZeroShotAccuracy',
        class_names=['red', 'green', 'blue'],
        tokenizer=dict(type='ToyTokenizer'),
        templates=['a {}', 'one {}'],
    )


def test_zero_shot(zero_shot):
    table = make(
        image_embedding=torch.eye(3)[[0, 1, 1]],
        gt_label=torch.tensor([0, 1, 2]),
    )
    metric = METRICS.build(zero_shot)
    values = metric.evaluate(dict(query=table), ToyM3I())
    assert values['zero_shot/gt_label_top1'] == pytest.approx(200 / 3)
    chance = metric.chance(dict(query=table))
    assert chance['zero_shot/gt_label_top1'] == pytest.approx(100 / 3)


def test_zero_shot_needs_a_text_encoder(zero_shot):
    table = make(image_embedding=EYE[:, :3], gt_label=torch.zeros(4).long())
    with pytest.raises(ValueError, match=r'Linear has no text encoder'):
        METRICS.build(zero_shot).evaluate(
            dict(query=table), torch.nn.Linear(1, 1)
        )


def test_zero_shot_needs_a_name_for_every_label(zero_shot):
    table = make(image_embedding=EYE[:, :3], gt_label=torch.arange(4))
    with pytest.raises(
        ValueError, match=r'label 3, but .* only 3 class names'
    ):
        METRICS.build(zero_shot).evaluate(dict(query=table), ToyM3I())


def test_prompts_of_open_clip(zero_shot):
    pytest.importorskip('open_clip')
    zero_shot.update(class_names='imagenet', templates='openai_imagenet')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        metric: ZeroShotAccuracy = METRICS.build(zero_shot)
    assert (len(metric.class_names), len(metric.templates)) == (1000, 80)
    with pytest.raises(ValueError, match=r"'clip80'.*'simple_imagenet'"):
        METRICS.build({**zero_shot, 'templates': 'clip80'})
