"""The sets of the emoji protocol, and that its metrics run on them."""

import pytest
from mmengine.config import Config

from m3i_mm.evaluation import NamedDataLoaders
from m3i_mm.evaluation.metrics import build_metrics

VENDORS = {'twemoji', 'openmoji', 'fluent-flat', 'fluent-3d'}


@pytest.fixture(scope='module')
def cfg():
    cfg = Config.fromfile('configs/_base_/evaluation/emoji.py')
    cfg.val_dataloader.num_workers = 0
    return cfg


@pytest.fixture(scope='module')
def loaders(cfg):
    return NamedDataLoaders(cfg.val_dataloader)


@pytest.fixture(scope='module')
def fields(loaders):
    return {
        name: [sample['fields'] for sample in loader.dataset.source]
        for name, loader in loaders.items()
    }


def values(fields, name, key):
    return {sample[key] for sample in fields[name]}


def test_vendors_and_families_are_held_out(fields):
    assert values(fields, 'bank', 'vendor') == VENDORS
    assert values(fields, 'others', 'vendor') == VENDORS
    assert values(fields, 'seen', 'vendor') == {'noto'}
    assert values(fields, 'unseen', 'vendor') == {'noto'}
    families = values(fields, 'bank', 'family')
    assert values(fields, 'seen', 'family') == families
    assert not values(fields, 'unseen', 'family') & families
    assert not values(fields, 'others', 'family') & families


def test_every_query_has_four_right_answers(fields):
    gallery = [s['concept'] for s in fields['bank'] + fields['others']]
    queries = [s['concept'] for s in fields['seen'] + fields['unseen']]
    assert len(set(queries)) == len(queries)
    assert sorted(gallery) == sorted(4 * queries)


def test_captions_of_a_set_differ(fields):
    for name in ('seen', 'unseen'):
        assert len(values(fields, name, 'name')) == len(fields[name])


def test_the_categories_of_the_queries_were_trained(fields):
    for key in ('group_id', 'subgroup_id'):
        assert values(fields, 'unseen', key) <= values(fields, 'bank', key)


def test_samples_carry_what_the_metrics_need(cfg, loaders):
    build_metrics(cfg.val_evaluator, list(loaders))
    packed = loaders['unseen'].dataset[0]
    assert packed['inputs'].shape == (3, 64, 64)
    sample = packed['data_samples']
    for field in ('concept', 'group', 'subgroup'):
        assert sample.get(field).shape == ()
    assert sample.text_tokens[0] == 49406
    assert sample.text
    assert sample.sample_key.endswith('noto')
