"""From photographs to a classifier, a detector and a segmentor, by commands.

The commands are those that ``m3i pretrain`` prints.
"""

import json
import re
import shlex
import shutil
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy.downstream import write_detection_set, write_segmentation_set

from m3i_mm.commands import main
from m3i_mm.runs import building
from m3i_mm.runs.next_steps import downstream_configs
from m3i_mm.runs.own_data import use_backbone, use_data
from m3i_mm.runs.reading import read_config
from m3i_mm.runs.recipe import model_names

pytestmark = pytest.mark.openmmlab


@pytest.fixture(autouse=True)
def _same_argv(monkeypatch):
    monkeypatch.setattr(sys, 'argv', list(sys.argv))


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A folder for each task, and photographs."""
    root = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    for half in ('train', 'val'):
        for kind in ('cat', 'dog'):
            folder = root / 'classes' / half / kind
            folder.mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(0, 255, (40, 48, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f'{number}.png')
        write_detection_set(root / 'all', ['apple', 'pear'])
        coco = root / 'coco'
        (coco / 'annotations').mkdir(parents=True, exist_ok=True)
        shutil.copytree(root / 'all/images', coco / half)
        shutil.copy(
            root / 'all/instances.json',
            coco / f'annotations/instances_{half}.json',
        )
        write_segmentation_set(root / 'maps_all')
        for kind in ('images', 'masks'):
            shutil.copytree(
                root / 'maps_all' / kind, root / 'maps' / kind / half
            )
    (root / 'maps/classes.txt').write_text('other\napple\npear\n')
    return root


FOLDERS = {
    'a classifier': 'classes',
    'a detector': 'coco',
    'a segmentor': 'maps',
}
SHORT = (
    'train_cfg.max_epochs=1 train_cfg.val_interval=1 '
    'train_dataloader.num_workers=0 val_dataloader.num_workers=0 '
    'train_dataloader.batch_size=2 train_dataloader.persistent_workers=False '
    'val_dataloader.persistent_workers=False'
)


def test_the_printed_commands_work(data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos = data / 'classes/train'
    main(
        shlex.split(
            f'pretrain {photos} --work-dir run --epochs 1 --image-size 32'
        )
    )
    said = capsys.readouterr().out
    steps = re.findall(r'  # (.+)\n  m3i (.+)', said.partition('next:')[2])
    assert len(steps) == 6
    picture = photos / 'cat/0.png'
    scores = {}
    for what, command in steps:
        command = command.replace('PICTURE', str(picture))
        task = what.removesuffix(' on the data in FOLDER')
        if task in FOLDERS:
            folder = data / FOLDERS[task]
            name = uuid.uuid4().hex
            command = (
                f'{command.replace("FOLDER", str(folder))} --work-dir '
                f'{tmp_path / FOLDERS[task]} --cfg-options {SHORT} '
                f'experiment_name={name}'
            )
        main(shlex.split(command))
        if 'nearest' in what:
            written = map(Path.read_text, tmp_path.glob('run/*/*.json'))
            assert any('knn/gt_label_top1' in text for text in written)
            assert not (tmp_path / 'work_dirs').exists()
        if task in FOLDERS:
            (scalars,) = (tmp_path / FOLDERS[task]).rglob('scalars.json')
            scores[task] = scalars.read_text()
    for task, key in zip(
        FOLDERS, ('accuracy/top1', 'coco/bbox_mAP', 'mIoU'), strict=True
    ):
        rows = map(json.loads, scores[task].splitlines())
        assert any(key in row for row in rows), task


def test_every_model_says_what_goes_on():
    found = {name: downstream_configs(name) for name in model_names()}
    for name in (
        'resnet18-contrast',
        'resnet18_emoji',
        'vit-small-p16',
        'vit-base-p16',
    ):
        assert set(found[name]) == set(FOLDERS), name
    for size in 'tsblx':
        name = f'internimage-{size}' + 'l' * (size == 'x')
        assert set(found[name]) == set(FOLDERS), name
    assert found['vit-small-p16']['a detector'].startswith('own_data/')
    assert 'coslr-100e' in found['vit-base-p16']['a classifier']


@pytest.mark.parametrize('task', FOLDERS)
def test_the_small_vit_starts_from_its_pre_training(data, task, tmp_path):
    pretraining = read_config(
        'm3i/m3i_vit-small-p16_32xb128-amp-coslr-400e_in1k.py'
    )
    state = building.build_model(pretraining, 'backbone').state_dict()
    file = tmp_path / 'backbone.pth'
    torch.save(dict(state_dict=state), file)
    cfg = read_config(downstream_configs('vit-small-p16')[task])
    use_data(cfg, str(data / FOLDERS[task]))
    use_backbone(cfg, str(file))
    backbone = building.build_model(cfg, 'backbone')
    backbone.init_weights()
    for name, value in backbone.state_dict().items():
        if name in state and name != 'pos_embed':
            assert torch.equal(value, state[name]), name
    with torch.device('meta'):
        model = building.build_model(cfg)
    assert sum(p.numel() for p in model.parameters()) > 21e6
    loader = building.build_loader(cfg, num_workers=0, batch_size=1)
    assert len(next(iter(loader))['inputs']) == 1
