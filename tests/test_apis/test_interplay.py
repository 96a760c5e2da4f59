"""The libraries' own tools, inferencers and extractors on our models.

And what a run shows on the console before its first iteration.
"""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy.downstream import ROOT, write_detection_set, write_segmentation_set

from m3i_mm.apis import get_model
from m3i_mm.runs.own_data import use_data
from m3i_mm.runs.reading import read_config

pytestmark = pytest.mark.openmmlab

CONFIGS = dict(
    mmpretrain='own_data/resnet18_1xb32-coslr-20e_own-data',
    mmdet='own_data/mask-rcnn_resnet18_fpn_1xb4-coslr-20e_own-data',
    mmseg='own_data/upernet_resnet18_1xb4-coslr-20e_own-data',
)
STRAY = ('OneDL', 'No CUDA runtime', 'UserWarning', 'Failed to search')


def write_data(library, root):
    """Two pictures for training and two for evaluation, in one format."""
    for half in ('train', 'val'):
        if library == 'mmpretrain':
            rng = np.random.default_rng(0)
            for kind in ('cat', 'dog'):
                (root / half / kind).mkdir(parents=True)
                pixels = rng.integers(0, 255, (40, 48, 3), np.uint8)
                Image.fromarray(pixels).save(root / half / kind / '0.png')
        elif library == 'mmdet':
            write_detection_set(root / half, ['apple', 'pear'])
            shutil.move(root / half / 'instances.json', root / f'{half}.json')
            for picture in (root / half / 'images').iterdir():
                shutil.move(picture, root / half)
        else:
            write_segmentation_set(root / 'all')
            for kind in ('images', 'masks'):
                shutil.copytree(root / 'all' / kind, root / kind / half)
            (root / 'classes.txt').write_text('other\napple\npear\n')
    return root


@pytest.fixture(params=CONFIGS)
def config(request, tmp_path):
    """A library, and a config of ours with data, as its tools read it."""
    cfg = read_config(CONFIGS[request.param])
    use_data(cfg, str(write_data(request.param, tmp_path / 'data')))
    cfg.custom_imports = dict(imports=['m3i_mm'])
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(
            batch_size=1 + (loader is cfg.train_dataloader),
            num_workers=0,
            persistent_workers=False,
        )
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    path = tmp_path / 'ours.py'
    cfg.dump(path)
    return request.param, path


def train(tool, path):
    result = subprocess.run(
        [sys.executable, str(tool), str(path), '--work-dir', path.parent],
        capture_output=True,
        text=True,
        timeout=500,
        cwd=path.parent,
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path]),
            'OMP_NUM_THREADS': '1',
        },
    )
    said = result.stdout + result.stderr
    assert result.returncode == 0, said[-3000:]
    return said


def test_tools_and_inferencers_of_the_library(config):
    library, path = config
    root = Path(importlib.import_module(library).__file__).parent
    train(root / '.mim/tools/train.py', path)
    weights = str(path.parent / 'epoch_1.pth')
    picture = str(next((path.parent / 'data').rglob('*0.[pj][np]g')))
    if library == 'mmpretrain':
        from mmpretrain import FeatureExtractor, ImageClassificationInferencer

        result = ImageClassificationInferencer(str(path), weights, 'cpu')(
            picture
        )
        assert result[0]['pred_class'] in ('cat', 'dog')
        extract = FeatureExtractor(get_model(str(path), weights))
        (feature,) = extract(picture)[0]
        assert feature.shape == (128,)
    elif library == 'mmdet':
        from mmdet.apis import DetInferencer

        result = DetInferencer(str(path), weights, 'cpu')(picture)
        assert set(result['predictions'][0]) >= {'labels', 'scores', 'bboxes'}
    else:
        from mmseg.apis import MMSegInferencer

        result = MMSegInferencer(str(path), weights, device='cpu')(picture)
        assert set(np.unique(result['predictions'])) <= {0, 1, 2}


def test_a_run_begins_in_a_few_lines(config):
    _, path = config
    said = train(ROOT / 'tools/train.py', path)
    begin = said.partition('Saving checkpoint')[0].splitlines()
    assert 2 < len(begin) < 40, said
    for words in STRAY:
        assert words not in said
    assert torch.load(path.parent / 'epoch_1.pth', weights_only=False)
    (log,) = path.parent.glob('2*/*.log')
    assert 'System environment' in log.read_text()
