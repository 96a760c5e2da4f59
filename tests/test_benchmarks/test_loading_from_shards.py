"""What loading from shards costs."""

import os
import tarfile

import pytest

from m3i_mm.benchmarks import shards
from m3i_mm.datasets import ShardSource, SourceDataset
from m3i_mm.datasets.transforms import DecodeImage


@pytest.fixture
def data(tmp_path):
    size = shards.write_shards(tmp_path, 2, 6, (16, 20))
    with tarfile.open(tmp_path / '00001.tar') as archive:
        assert [member.size for member in archive] == [size] * 6
    source = ShardSource(f'{tmp_path}/*.tar')
    return SourceDataset(source, [DecodeImage(), shards.stack_pictures])


@pytest.mark.parametrize('workers', [0, 1])
def test_batches_are_loaded_over_epochs(data, workers, monkeypatch):
    shapes = []
    monkeypatch.setattr(
        shards.time, 'sleep', lambda seconds: shapes.append(seconds)
    )
    cost = shards.measure_loading(data, workers, 4, 5, step_seconds=0.125)
    # an epoch is three batches
    assert shapes == [0.125] * 4
    assert cost.images_per_second > 0
    assert (cost.memory_gib > 0) == bool(workers)


def test_late_batches_are_stalls(data, monkeypatch):
    monkeypatch.setattr(
        shards, '_waits', lambda *_: iter([3.0, 0.1, 0.75, 2.0, 0.2])
    )
    cost = shards.measure_loading(data, 0, 4, 5)
    assert cost.first_seconds == 3
    assert (cost.stalls, cost.stalled_seconds) == (2, 2.75)
    assert cost.longest_seconds == 2


def test_private_memory_of_processes():
    mine = shards.private_memory([os.getpid()])
    assert mine > 2**20
    # a process that has ended
    assert shards.private_memory([os.getpid(), 2**22 + 1]) >= 2**20
