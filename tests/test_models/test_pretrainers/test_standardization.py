"""Channel statistics of the first batches."""

from __future__ import annotations

import pytest
import torch
from mmengine.registry import DefaultScope
from toy.ranks import run_two_processes

from m3i_mm.models.pretrainers import ChannelStatistics, DenseFeatures

pytestmark = pytest.mark.openmmlab


def batches(count=4):
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 10.0, 0.1, 100.0])
    return [
        torch.randn(6, 3, 4, generator=generator) * scale + 5 * scale
        for _ in range(count)
    ]


def test_statistics_are_those_of_all_rows_of_the_first_batches():
    module = ChannelStatistics(4, num_batches=3).train()
    data = batches(5)
    for batch in data:
        out = module(batch)
    rows = torch.cat([batch.flatten(0, 1) for batch in data[:3]])
    torch.testing.assert_close(module.mean, rows.mean(0))
    torch.testing.assert_close(module.variance, rows.var(0, unbiased=False))
    expected = (data[-1] - rows.mean(0)) / rows.std(0, unbiased=False)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


def test_evaluation_adds_nothing_and_the_statistics_are_saved():
    module = ChannelStatistics(4).train()
    module(batches()[0])
    other = ChannelStatistics(4)
    other.load_state_dict(module.state_dict())
    other.eval()
    module.eval()
    batch = batches()[1]
    torch.testing.assert_close(other(batch), module(batch))
    assert module.batches.item() == 1


def add(rank, folder):
    torch.distributed.init_process_group('gloo')
    module = ChannelStatistics(4).train()
    for batch in batches():
        module(batch[3 * rank : 3 * rank + 3])
    torch.save(module.state_dict(), f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


def test_two_ranks_have_the_statistics_of_one(tmp_path):
    run_two_processes(add, str(tmp_path))
    module = ChannelStatistics(4).train()
    for batch in batches():
        module(batch)
    for rank in range(2):
        found = torch.load(tmp_path / f'{rank}.pth')
        for name, value in module.state_dict().items():
            torch.testing.assert_close(found[name], value)


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match=r'embed_dims=3, but .* 4 channels'):
        ChannelStatistics(3)(batches()[0])
    statistics = dict(type='m3i_mm.ChannelStatistics', embed_dims=4)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        DenseFeatures(layer_norm=False, standardize=statistics)
        with pytest.raises(ValueError, match='set layer_norm=False'):
            DenseFeatures(standardize=statistics)
