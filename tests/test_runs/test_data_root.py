"""One option moves all data of a config."""

import pytest
from mmengine.config import Config

from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.data_root import move_data_root


def config(**fields):
    dataset = dict(
        source=dict(urls=['data/a/x-*.tar', 'data/ab/y.tar']), root='data/a'
    )
    return Config(
        dict(train_dataloader=dict(dataset=dataset, batch_size=4), **fields)
    )


def test_moves_every_path():
    cfg = config(data_root='data/a/', val_dataloader=None)
    move_data_root(cfg, '/mnt/b')
    assert cfg.data_root == '/mnt/b'
    dataset = cfg.train_dataloader.dataset
    assert dataset.source.urls == ['/mnt/b/x-*.tar', 'data/ab/y.tar']
    assert dataset.root == '/mnt/b'


def test_says_if_there_is_nothing_to_move():
    with pytest.raises(ConfigError, match='has no data_root'):
        move_data_root(config(), 'b')
    with pytest.raises(ConfigError, match="no path .* 'data/c'"):
        move_data_root(config(data_root='data/c'), 'b')
