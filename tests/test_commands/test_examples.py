"""The examples that ``m3i COMMAND --help`` shows run as they are.

Those of ``search`` and ``embed`` are in ``test_search.py``.
"""

import contextlib
import shlex
import shutil
import sys

import cv2
import numpy as np
import pytest

from m3i_mm.commands import COMMANDS, main

pytestmark = pytest.mark.openmmlab

MINE = """
_base_ = 'm3i_mm::own_data/resnet18_1xb32-coslr-20e_own-data.py'
data_root = 'labelled'
halves = dict(
    type='CustomDataset', data_root=data_root, data_prefix='', with_label=True
)
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(
        _delete_=True, pipeline={{_base_.train_pipeline}}, **halves
    ),
)
val_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(_delete_=True, pipeline={{_base_.test_pipeline}}, **halves),
)
test_dataloader = val_dataloader
val_evaluator = dict(topk=(1,))
test_evaluator = val_evaluator
model = dict(head=dict(num_classes=2))
train_cfg = dict(max_epochs=1)
"""
# what examples read -> what makes it
MAKERS = {
    'runs/photos': 'm3i pretrain photos --work-dir runs/photos --epochs 1 '
    '--image-size 32',
    'work_dirs/mine/epoch_1.pth': 'm3i train mine.py',
}
# names in the examples -> what stands for them
COPIES = {
    'runs/mine': 'work_dirs/mine',
    'runs/mine/epoch_12.pth': 'work_dirs/mine/epoch_1.pth',
    'epoch_12.pth': 'work_dirs/mine/epoch_1.pth',
    'work_dirs/demo': 'runs/photos',
    'work_dirs/mine/epoch_10.pth': 'runs/photos/epoch_1.pth',
}
# what an example leaves behind
LEFT = {
    'pretrain': 'runs/photos/backbone-*.pth',
    'train': 'work_dirs/mine/epoch_1.pth',
    'test': 'metrics.json',
    'predict': 'predictions/*.json',
    'export': 'backbone.pt2',
    'publish': 'backbone-*.pth',
    'report': 'report.html',
    'data to-shards': 'shards/*.tar',
    'data from-shards': 'pictures/*/*',
}
DOWNLOADED = 'mask_rcnn_internimage_t_fpn_1x_coco.pth'


@pytest.fixture(scope='module')
def scene(tmp_path_factory):
    """A folder with pictures, a config, and a run of each kind."""
    root = tmp_path_factory.mktemp('scene')
    rng = np.random.default_rng(0)
    for name in ('photos', 'labelled'):
        for kind in ('cat', 'dog'):
            (root / name / kind).mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
                cv2.imwrite(str(root / name / kind / f'{number}.png'), pixels)
    (root / 'mine.py').write_text(MINE)
    with contextlib.chdir(root):
        for command in MAKERS.values():
            main(shlex.split(command)[1:])
    for name, source in COPIES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (root / source).is_dir() else shutil.copy
        copy(root / source, root / name)
    return root


@pytest.fixture(autouse=True)
def _same_argv(monkeypatch):
    monkeypatch.setattr(sys, 'argv', list(sys.argv))


def examples(name, capsys):
    with pytest.raises(SystemExit):
        main([*name.split(), '--help'])
    said = capsys.readouterr().out.partition('example:')[2]
    return [shlex.split(line)[1:] for line in said.strip().splitlines()]


@pytest.mark.parametrize('name', sorted({*COMMANDS} - {'search', 'embed'}))
def test_the_examples_run(name, scene, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(shutil.copytree(scene, tmp_path / 'here'))
    if name == 'pretrain':
        shutil.rmtree('runs/photos')
    if name == 'data from-shards':
        main(['data', 'to-shards', 'photos', 'shards'])
    for words in examples(name, capsys):
        if DOWNLOADED not in words:
            main(words)
    assert capsys.readouterr().out
    if name in LEFT:
        assert list((tmp_path / 'here').glob(LEFT[name]))
