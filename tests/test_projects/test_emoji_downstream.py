"""The downstream demo: its configs train, its runs and report add up."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from m3i_mm.visualization import read_scalars
from projects.emoji.downstream import (
    TASKS,
    draw_predictions,
    fine_tune,
    pretrained_backbone,
    print_table,
    runs,
)
from projects.emoji.scenes import SceneSettings, generate_scenes

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'projects/emoji/configs'
METRICS = {
    'mask-rcnn_resnet18_fpn_1xb4-4e_emoji-scenes': 'coco/segm_mAP',
    'mask-rcnn_resnet18_fpn_1xb4-4e_emoji-scenes-long-tail': 'lvis/bbox_AP',
    'upernet_resnet18_1xb4-4e_emoji-scenes': 'mIoU',
}


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('scenes')
    settings = SceneSettings(train=4, val=2, size=256)
    generate_scenes(ROOT / 'data/emoji', folder, settings)
    return folder


@pytest.fixture(scope='module')
def meta():
    return json.loads((ROOT / 'data/emoji/meta.json').read_text())


@pytest.mark.parametrize('name', METRICS)
def test_config_trains_and_evaluates(name, scenes, tmp_path):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    cfg.work_dir = str(tmp_path)
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].update(
            num_workers=0, persistent_workers=False
        )
        cfg[f'{split}_dataloader'].dataset.data_root = str(scenes)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        if 'ann_file' in evaluator:
            file = Path(evaluator.ann_file).name
            evaluator.ann_file = str(scenes / 'annotations' / file)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.visualization.interval = 1
    cfg.default_hooks.checkpoint = None
    Runner.from_cfg(cfg).train()
    scalars = read_scalars(tmp_path)
    losses = scalars['loss'].values()
    assert losses
    assert all(math.isfinite(loss) for loss in losses)
    assert METRICS[name] in scalars
    pictures = list(tmp_path.glob('*/vis_data/vis_image/val*.png'))
    assert len(pictures) == 2


def test_backbone_and_classes_are_those_of_the_data_and_the_demo(meta):
    demo = Config.fromfile(ROOT / runs.PRETRAINING).model.backbone
    for name in METRICS:
        cfg = Config.fromfile(CONFIGS / f'{name}.py')
        assert {**cfg.model.backbone, 'out_indices': (2,)} == demo
        classes = list(cfg.metainfo.classes)
        if 'long-tail' in name:
            assert classes == meta['subgroups']
        else:
            assert classes[-8:] == meta['groups']


def test_every_task_names_a_config():
    for task in TASKS:
        assert (ROOT / task.config).is_file()
    assert (ROOT / runs.PRETRAINING).is_file()


def test_pretrained_backbone_takes_what_is_there(tmp_path):
    checkpoint = tmp_path / 'run' / 'epoch_3.pth'
    checkpoint.parent.mkdir()
    checkpoint.touch()
    (checkpoint.parent / 'last_checkpoint').write_text(str(checkpoint))
    assert pretrained_backbone(checkpoint) == checkpoint
    assert pretrained_backbone(tmp_path) == checkpoint
    with pytest.raises(FileNotFoundError, match=r'no checkpoint .*\.pth'):
        pretrained_backbone(tmp_path / 'none.pth')


def test_pretrained_backbone_trains_otherwise(tmp_path, monkeypatch):
    def train(config, work_dir, options):
        assert config == runs.PRETRAINING
        work_dir.mkdir(parents=True)
        (work_dir / 'last_checkpoint').write_text('/somewhere/epoch_1.pth')

    monkeypatch.setattr(runs, '_train', train)
    found = pretrained_backbone(tmp_path / 'demo')
    assert found == Path('/somewhere/epoch_1.pth')


def test_fine_tune_reads_the_last_metrics_as_percentages(
    tmp_path, monkeypatch
):
    calls = []

    def train(config, work_dir, options):
        calls.append((config, options))
        log = work_dir / '1' / 'vis_data' / 'scalars.json'
        log.parent.mkdir(parents=True, exist_ok=True)
        names = TASKS[0].metrics.values()
        lines = [
            json.dumps(dict.fromkeys(names, value) | {'step': step})
            for step, value in ((1, 0.1), (2, 0.25))
        ]
        log.write_text('\n'.join(lines))

    monkeypatch.setattr(runs, '_train', train)
    metrics = fine_tune(TASKS[0], None, tmp_path, ['a.b=1'])
    assert metrics == dict.fromkeys(TASKS[0].metrics, 25.0)
    fine_tune(TASKS[0], Path('/c.pth'), tmp_path, [])
    assert calls[0] == (TASKS[0].config, ['a.b=1'])
    assert 'model.backbone.init_cfg.checkpoint=/c.pth' in calls[1][1]


def test_report(tmp_path, capsys):
    print_table({'random': {'box AP': 1.25}, 'M3I': {'box AP': 12.0}})
    assert '12.0' in capsys.readouterr().out
    folders = {name: tmp_path / name for name in ('random', 'M3I')}
    for value, folder in enumerate(folders.values()):
        images = folder / '1' / 'vis_data' / 'vis_image'
        images.mkdir(parents=True)
        for step in (10, 9):
            picture = np.full((20, 60, 3), step, np.uint8)
            picture[:, 30:] = 100 * (value + 1)
            Image.fromarray(picture).save(images / f'val_img_{step}.png')
    path = tmp_path / 'sheet.png'
    draw_predictions(folders, path)
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (16 + 2 * 20, 3 * 30, 3)
    # truth | random | M3I, in the order of the steps
    assert sheet[-5, [5, 35, 65], 0].tolist() == [10, 100, 200]
    assert sheet[20, 5, 0] == 9
    with pytest.raises(FileNotFoundError, match='no drawn predictions'):
        draw_predictions({'x': tmp_path / 'x'}, path)
