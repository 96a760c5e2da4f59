"""Feature tables: columns, what is missing, joining and gathering."""

import pytest
import torch

from m3i_mm.evaluation import FeatureTable, FieldError
from m3i_mm.evaluation.extraction import gather_table
from m3i_mm.evaluation.tables import common_labels


@pytest.fixture
def table():
    return FeatureTable.from_records(
        [
            dict(feature=torch.tensor([1.0, 2.0]), group=3, name='a', age=1),
            dict(feature=torch.tensor([3.0, 4.0]), group=5, name='b'),
        ],
        name='query',
    )


def test_columns(table):
    assert len(table) == 2
    assert table['feature'].tolist() == [[1, 2], [3, 4]]
    assert table['group'].tolist() == [3, 5]
    assert table['name'] == ['a', 'b']
    assert 'age' not in table


def test_labels_of_one_element_become_numbers():
    records = [dict(gt_label=torch.tensor([i])) for i in (4, 2)]
    assert FeatureTable.from_records(records)['gt_label'].tolist() == [4, 2]


def test_an_unknown_field_lists_the_known_ones(table):
    message = r"set 'query' have no field 'subgroup'.* feature, group, name"
    with pytest.raises(FieldError, match=message):
        table['subgroup']


def test_a_field_of_some_samples_says_how_many_lack_it(table):
    with pytest.raises(FieldError, match=r"1 of the 2 samples .* 'age'"):
        table['age']


def test_features_must_be_finite_vectors(table):
    with pytest.raises(FieldError, match=r"'group' .* one vector"):
        table.features('group', 'cpu')
    table.columns['feature'][0, 0] = float('nan')
    with pytest.raises(ValueError, match=r"'feature' .* not finite"):
        table.features('feature', 'cpu')


def test_concat_counts_what_is_missing(table):
    other = FeatureTable.from_records([dict(group=7, name='c')])
    joined = FeatureTable.concat([table, other, FeatureTable({})], 'all')
    assert joined['group'].tolist() == [3, 5, 7]
    assert joined['name'] == ['a', 'b', 'c']
    assert joined.missing == {'age': 2, 'feature': 1}


def test_columns_of_different_lengths():
    with pytest.raises(ValueError, match="'a': 2, 'b': 1"):
        FeatureTable(dict(a=[1, 2], b=[1]))


def test_common_labels_of_names_and_numbers():
    (bank, query), count = common_labels(['b', 'a', 'b'], ['c', 'b'])
    assert (bank.tolist(), query.tolist(), count) == ([1, 0, 1], [2, 1], 3)
    (only,), count = common_labels(torch.tensor([9, 4, 9]))
    assert (only.tolist(), count) == ([1, 0, 1], 2)


def test_gathering_restores_the_order_and_drops_repetitions(monkeypatch):
    def part(*rows):
        return FeatureTable(dict(row=torch.tensor(rows)))

    # 5 samples on 2 processes: the sampler repeats the first one
    parts = [part(0, 2, 4), part(1, 3, 0)]
    module = 'm3i_mm.evaluation.extraction.'
    monkeypatch.setattr(module + 'get_world_size', lambda: 2)
    monkeypatch.setattr(module + 'all_gather_object', lambda _: parts)
    assert gather_table(parts[0], 5)['row'].tolist() == [0, 1, 2, 3, 4]
    assert gather_table(parts[0], None)['row'].tolist() == [0, 1, 2, 3, 4, 0]
