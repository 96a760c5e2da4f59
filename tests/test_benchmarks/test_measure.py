"""Measurements: peak memory counts what a call holds at once, tables."""

import json

import pytest
import torch

from m3i_mm.benchmarks.dcnv3 import (
    COLUMNS,
    benchmark_layer,
    contenders,
    layers_of,
    plot,
)
from m3i_mm.benchmarks.measure import (
    environment,
    markdown_table,
    measure,
    peak_bytes,
    write_json,
)

CPU = torch.device('cpu')
MIB = 2**20


def two_at_once():
    first = torch.ones(MIB, dtype=torch.uint8)
    second = torch.ones(2 * MIB, dtype=torch.uint8)
    del first, second


def one_after_the_other():
    first = torch.ones(MIB, dtype=torch.uint8)
    del first
    second = torch.ones(2 * MIB, dtype=torch.uint8)
    del second


def test_peak_memory_is_what_is_held_at_once():
    assert peak_bytes(two_at_once, CPU) == pytest.approx(3 * MIB, abs=4096)
    assert peak_bytes(one_after_the_other, CPU) == pytest.approx(
        2 * MIB, abs=4096
    )


def test_memory_that_was_there_before_does_not_count():
    kept = torch.ones(4 * MIB, dtype=torch.uint8)
    assert peak_bytes(lambda: kept.add_(1), CPU) < 4096


def test_measure_calls_the_function_and_returns_its_time():
    calls = []
    result = measure(lambda: calls.append(1), CPU, min_seconds=0.001)
    assert len(calls) > 2
    assert result.milliseconds > 0


def test_table_has_three_digits_and_empty_cells():
    table = markdown_table(
        [{'a': 1.23456, 'b': 'x'}, {'a': 12345.6}], ['a', 'b']
    )
    assert table.splitlines() == [
        '| a | b |',
        '| --- | --- |',
        '| 1.23 | x |',
        '| 12346 |  |',
    ]


def test_json_says_where_numbers_are_from(tmp_path):
    path = tmp_path / 'results.json'
    write_json(str(path), CPU, [{'a': 1}])
    content = json.loads(path.read_text())
    assert content['results'] == [{'a': 1}]
    assert content['environment'] == environment(CPU)
    assert content['environment']['torch'] == torch.__version__


def test_layers_have_the_sizes_of_the_feature_maps():
    layers = list(layers_of('base', (225, 223), batch=2))
    sizes = [(layer.height, layer.width) for layer in layers]
    assert sizes == [(57, 56), (29, 28), (15, 14), (8, 7)]
    assert [layer.channels for layer in layers] == [112, 224, 448, 896]
    assert [layer.geometry.groups for layer in layers] == [7, 14, 28, 56]
    assert [layer.depth for layer in layers] == [4, 4, 21, 4]


def test_bytes_moved_count_each_tensor_once():
    layer = next(layers_of('tiny', (8, 8)))
    # 4 positions; 64 channels, 4 groups of 9 points with two offsets and mask
    forward = 64 + 108 + 64
    backward = 64 + 108 + 64 + 64 + 108
    assert layer.bytes_moved(torch.bfloat16) == 4 * 2 * (forward + backward)


def test_benchmark_of_a_layer_fills_a_row_for_each_contender(tmp_path):
    layer = next(layers_of('tiny', (32, 32)))
    rows = []
    for name, operator in contenders(CPU).items():
        row = benchmark_layer(
            layer, operator, CPU, bandwidth=1e9, min_seconds=0.001
        )
        assert set(row) | {'contender', 'failed'} == set(COLUMNS)
        rows.append({'contender': name, **row})
    assert {row['contender'] for row in rows} == {
        'gather',
        'torch',
        'rival grid_sample',
        'rival deformable_attention',
        'rival deformable_conv',
    }
    plot(rows, str(tmp_path / 'plot.png'))
    assert (tmp_path / 'plot.png').stat().st_size > 1000


def test_torch_backend_needs_less_memory_than_grid_sample():
    layer = next(layers_of('tiny', (64, 64)))
    rows = {
        name: benchmark_layer(
            layer, contenders(CPU)[name], CPU, min_seconds=0.001
        )
        for name in ('torch', 'rival grid_sample')
    }
    for column in ('forward MiB', 'total MiB'):
        assert rows['torch'][column] < rows['rival grid_sample'][column]


def test_an_operator_that_fails_says_so_in_its_row():
    def operator(*arguments):
        raise NotImplementedError('no kernel for Half\nand more')

    row = benchmark_layer(next(layers_of('tiny', (32, 32))), operator, CPU)
    assert row['failed'] == 'no kernel for Half'
    assert 'total ms' not in row
