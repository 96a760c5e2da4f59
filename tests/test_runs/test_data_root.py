"""One option moves all data of a config."""

import pytest
from mmengine.config import Config

from m3i_mm.runs import data_root
from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.data_root import move_data_root
from m3i_mm.runs.reading import read_config


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


def test_evaluators_move_too():
    cfg = config(
        data_root='data/a',
        val_evaluator=dict(ann_file='data/a/val.json'),
        test_evaluator=[dict(ann_file='data/a/test.json')],
    )
    move_data_root(cfg, 'b')
    assert cfg.val_evaluator.ann_file == 'b/val.json'
    assert cfg.test_evaluator[0].ann_file == 'b/test.json'


def test_weights_beside_the_data_move_too():
    teachers = dict(one=dict(weights='data/a/t.pth'), two=dict(name='a/b'))
    cfg = config(data_root='data/a/', model=dict(teachers=teachers))
    move_data_root(cfg, 'b')
    assert cfg.model.teachers.one.weights == 'b/t.pth'
    assert cfg.model.teachers.two.name == 'a/b'


BASE = """
data_root = 'data/a/'
train_dataloader = dict(dataset=dict(root=data_root, ann=data_root + 'x'))
val_evaluator = dict(ann_file=data_root + 'val.json')
"""


@pytest.mark.parametrize('depth', [1, 2])
def test_inherited_paths_follow_the_root_of_a_config(tmp_path, depth):
    (tmp_path / 'base.py').write_text(BASE)
    (tmp_path / 'middle.py').write_text("_base_ = 'base.py'")
    base = ('base.py', 'middle.py')[depth - 1]
    mine = tmp_path / 'mine.py'
    mine.write_text(f"_base_ = '{base}'\ndata_root = 'my/'")
    cfg = read_config(str(mine))
    assert cfg.train_dataloader.dataset.to_dict() == dict(
        root='my/', ann='my/x'
    )
    assert cfg.val_evaluator.ann_file == 'my/val.json'
    # and an option after it
    cfg = read_config(str(mine), dict(data_root='b'))
    assert cfg.train_dataloader.dataset.ann == 'b/x'


def test_a_root_that_all_paths_have_moves_nothing(tmp_path, monkeypatch):
    (tmp_path / 'base.py').write_text(
        "data_root = 'data/a/'\n"
        "train_dataloader = dict(dataset=dict(ann=data_root + 'x'))"
    )
    mine = tmp_path / 'mine.py'
    mine.write_text("_base_ = 'base.py'")
    said: list[str] = []
    monkeypatch.setattr(
        data_root, 'print_log', lambda text, **_: said.append(text)
    )
    cfg = read_config(str(mine))
    assert cfg.train_dataloader.dataset.ann == 'data/a/x'
    assert said == []


def test_a_root_that_the_config_uses_itself_moves_nothing(tmp_path):
    (tmp_path / 'base.py').write_text(BASE)
    mine = tmp_path / 'mine.py'
    mine.write_text(
        "_base_ = 'base.py'\ndata_root = 'my/'\n"
        'train_dataloader = dict(dataset=dict(root=data_root))'
    )
    cfg = read_config(str(mine))
    assert cfg.train_dataloader.dataset.root == 'my/'
    assert cfg.val_evaluator.ann_file == 'data/a/val.json'
