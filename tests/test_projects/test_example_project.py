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
# a tiny backbone and small images; everything else is as the project has it
ARCH = (
    'model.backbone.arch=dict(channels=16,depths=(1,1,1,1),groups=(1,2,4,8))'
)
SMALL = [
    'model.backbone.init_cfg=None',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
]


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


def train(library, config, project, installed, *options):
    """Run the training script of another library in the project's folder."""
    package = Path(importlib.util.find_spec(library).origin).parent
    command = [
        sys.executable,
        package / '.mim/tools/train.py',
        f'configs/{config}',
        '--cfg-options',
        *SMALL,
        *options,
    ]
    return subprocess.run(
        list(map(str, command)),
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
        DETECTION,
        project,
        installed,
        ARCH,
        'model.neck.in_channels=[16,32,64,128]',
        'train_cfg.max_epochs=1',
    )
    assert result.returncode == 0, result.stdout + result.stderr
    work_dir = project / 'work_dirs' / DETECTION.removesuffix('.py')
    assert (work_dir / 'epoch_1.pth').is_file()
    assert 'bbox_mAP' in result.stdout + result.stderr


def test_mmsegmentation_trains_it(project, installed):
    result = train(
        'mmseg',
        SEGMENTATION,
        project,
        installed,
        ARCH,
        'model.decode_head.in_channels=[16,32,64,128]',
        'model.auxiliary_head.in_channels=64',
        'crop_size=(64,64)',
        'train_pipeline.3.crop_size=(64,64)',
        'train_dataloader.dataset.pipeline.3.crop_size=(64,64)',
        'model.data_preprocessor.size=(64,64)',
        'train_cfg.max_iters=1',
        'train_cfg.val_interval=1',
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'pear' in result.stdout + result.stderr
    assert 'mIoU' in result.stdout + result.stderr


def test_classes_that_do_not_match_stop_it(project, installed):
    result = train(
        'mmdet',
        DETECTION,
        project,
        installed,
        ARCH,
        'model.neck.in_channels=[16,32,64,128]',
        'model.roi_head.bbox_head.num_classes=5',
    )
    assert result.returncode
    assert 'num_classes=5, but FruitDetection has 2 classes' in result.stderr
