"""The example project runs in an empty folder on an installed wheel.

The wheel is built and unpacked beside the project, the repository is not on
the path, and MMDetection's and MMSegmentation's own scripts train.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toy.downstream import (
    ROOT,
    write_detection_set,
    write_segmentation_set,
)

DETECTION = 'mask-rcnn_internimage-t_fpn_8xb2-1x_fruits.py'
SEGMENTATION = 'upernet_internimage-t_8xb2-160k_fruits-512x512.py'
# A config that inherits one of the project, with a tiny backbone and images of
# 64 pixels; everything else is as the project has it.
TINY = """
_base_ = './{name}'
arch = dict(
    _delete_=True, channels=16, depths=(1, 1, 1, 1), groups=(1, 2, 4, 8)
)
model = dict(backbone=dict(arch=arch, init_cfg=None), {model})
train_pipeline, test_pipeline = _base_.train_pipeline, _base_.test_pipeline
train_pipeline[2].scale = test_pipeline[1].scale = (96, 64)
{extra}
workers = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**workers, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(**workers, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict({length})
"""


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """Folder with what the wheel installs."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    shutil.copytree(
        ROOT,
        source,
        ignore=shutil.ignore_patterns(
            '.git',
            '.venv*',
            'data',
            'tests',
            'work_dirs',
            '.mim',
            '__pycache__',
        ),
    )
    pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '-q']
    subprocess.run(
        [
            *pip,
            'install',
            '--no-deps',
            '--no-build-isolation',
            '--no-index',
            '--target',
            folder / 'site',
            source,
        ],
        check=True,
    )
    return folder / 'site'


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    """A copy of the project with generated data."""
    folder = tmp_path_factory.mktemp('user') / 'project'
    shutil.copytree(ROOT / 'projects/example_project', folder)
    root = folder / 'data/fruits'
    write_detection_set(root, ['apple', 'pear'])
    write_segmentation_set(root)
    for split in ('train', 'val'):
        shutil.copy(root / 'instances.json', root / f'{split}.json')
        shutil.copytree(root / 'images', root / split)
        shutil.copytree(root / 'masks', root / f'{split}_maps')
    return folder


def train(library, project, installed, name, extra='', **settings):
    """Run the training script of another library in the project's folder."""
    config = project / 'configs/tiny.py'
    config.write_text(TINY.format(name=name, extra=extra, **settings))
    package = Path(importlib.util.find_spec(library).origin).parent
    script = package / '.mim/tools/train.py'
    return subprocess.run(
        [sys.executable, str(script), 'configs/tiny.py'],
        cwd=project,
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(['.', str(installed)]),
            'OMP_NUM_THREADS': '1',
        },
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_mmdetection_trains_it(project, installed):
    result = train(
        'mmdet',
        project,
        installed,
        DETECTION,
        model='neck=dict(in_channels=[16, 32, 64, 128]),'
        'test_cfg=dict(rpn=dict(max_per_img=20)),'
        'train_cfg=dict(rpn_proposal=dict(max_per_img=20))',
        length='max_epochs=1',
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert (project / 'work_dirs/tiny/epoch_1.pth').is_file()
    assert 'DONE' in output


def test_mmsegmentation_trains_it(project, installed):
    result = train(
        'mmseg',
        project,
        installed,
        SEGMENTATION,
        model='decode_head=dict(in_channels=[16, 32, 64, 128], channels=8),'
        'auxiliary_head=dict(in_channels=64),'
        'data_preprocessor=dict(size=(64, 64))',
        extra='train_pipeline[3].crop_size = (64, 64)',
        length='max_iters=1, val_interval=1',
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert '|    pear    |' in output
    assert 'mIoU' in output


def test_classes_that_do_not_match_stop_it(project, installed):
    result = train(
        'mmdet',
        project,
        installed,
        DETECTION,
        model='neck=dict(in_channels=[16, 32, 64, 128]),'
        'roi_head=dict(bbox_head=dict(num_classes=5))',
        length='max_epochs=1',
    )
    assert result.returncode
    assert 'num_classes=5, but FruitDetection has 2 classes' in result.stderr
