"""Every family of configs on real pictures, by the commands of a user.

A shipped config, shrunk, trains for two iterations on ``--data``, evaluates,
is tested again from its checkpoint and predicts a picture.
"""

import copy
import json
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import imagenet, internimage, pictures
from toy.downstream import read_config, shrink
from toy.recipes import shrink as shrink_m3i
from yapf.yapflib import yapf_api

from m3i_mm.commands import main
from m3i_mm.runs.building import build_model

pytestmark = pytest.mark.skipif(
    not pictures.SHARED.is_dir(), reason='the pictures are not here'
)
# a model of each kind, and of each folder what it has of its own
DETECTORS = [
    'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py',
    'coco/mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_coco.py',
    'coco/cascade-mask-rcnn_internimage-l_fpn_32xb2-3x_coco.py',
    'coco/dino-4scale_internimage-t_8xb2-12e_coco.py',
    'crowdhuman/cascade-rcnn_internimage-xl_fpn_64xb2-3x_crowdhuman.py',
    'lvis/dino-4scale_composite-internimage-h_o365-pre_64xb1-80k_lvis-v1.py',
    'openimages/dino-4scale_composite-internimage-h_o365-pre_64xb1-100k_'
    'openimages-v6.py',
    'voc/dino-4scale_composite-internimage-h_o365-pre_64xb1-20k_voc0712.py',
]
SEGMENTORS = [
    'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py',
    'ade20k/upernet_vit-base-p16-m3i-pre_8xb2-160k_ade20k-512x512.py',
    'cityscapes/segformer_internimage-l_mapillary-pre_8xb2-160k_'
    'cityscapes-512x1024.py',
    'coco_stuff/mask2former_internimage-h_16xb1-80k_coco-stuff164k-896x896.py',
    'mapillary/upernet_internimage-l_8xb2-80k_mapillary-512x1024.py',
]
DATA = dict(
    mmdet=pictures.write_coco,
    mmseg=pictures.write_camvid,
    mmpretrain=pictures.write_imagenet,
    captions=pictures.write_captions,
)


@pytest.fixture(autouse=True)
def _same_argv(monkeypatch):
    monkeypatch.setattr(sys, 'argv', list(sys.argv))


@pytest.fixture(autouse=True)
def _configs_as_they_are(monkeypatch):
    """MMEngine lays a config out a dozen times, most of a short run."""
    monkeypatch.setattr(
        yapf_api, 'FormatCode', lambda text, **settings: (text, True)
    )


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Folders of pictures by the scope of their task."""
    root = tmp_path_factory.mktemp('pictures')
    for scope, write in DATA.items():
        write(root / scope)
    return root


def two_iterations(cfg, batch_size=2):
    """Four pictures in batches of two are an epoch of two iterations."""
    if 'max_epochs' in cfg.train_cfg:
        cfg.train_cfg.update(max_epochs=1, val_interval=1)
    else:
        cfg.train_cfg.update(max_iters=2, val_interval=2)
        cfg.default_hooks.checkpoint.interval = 2
    if cfg.get('val_dataloader'):
        cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(loader):
            cfg[loader].update(num_workers=0, persistent_workers=False)
    cfg.train_dataloader.batch_size = batch_size
    cfg.experiment_name = uuid.uuid4().hex
    return cfg


def run(*words):
    main([str(word) for word in words])


def journey(cfg, data, folder, *test_options):
    """Train, test and predict; the metrics and the predictions."""
    small, work = folder / 'small.py', folder / 'work'
    cfg.dump(small)
    run('train', small, '--data', data, '--work-dir', work)
    (checkpoint,) = (*work.glob('epoch_1.pth'), *work.glob('iter_2.pth'))
    # as MMEngine keeps it
    kept, out = work / 'small.py', folder / 'metrics.json'
    options = f'experiment_name={uuid.uuid4().hex}'
    words = (kept, checkpoint, '--out', out, *test_options)
    run('test', *words, '--cfg-options', options)
    picture = next(iter(sorted(data.rglob('val/**/*.jpg'))))
    weights = ('--config', kept, '--checkpoint', checkpoint)
    where = ('--out', folder / 'found', '--score-threshold', 0)
    run('predict', picture, *weights, *where)
    found = json.loads((folder / 'found/predictions.json').read_text())
    return json.loads(out.read_text()), *found.values()


@pytest.mark.parametrize('name', [*DETECTORS, *SEGMENTORS])
def test_detectors_and_segmentors(name, data, tmp_path):
    cfg = two_iterations(shrink(read_config(name)))
    if 'rcnn' in cfg.model.get('test_cfg', {}):
        cfg.model.test_cfg.rcnn.score_thr = 0.0  # or nothing is detected
    # evaluation of a training is plain, the test at several sizes
    augmented = ['--tta'] * (name in (DETECTORS[5], SEGMENTORS[0]))
    if cfg.default_scope == 'mmdet':
        folder = data / 'mmdet'
        metrics, found = journey(cfg, folder, tmp_path, *augmented)
        wanted = {'coco/bbox_mAP'}
        if 'mask_head' in cfg.model.get('roi_head', {}):
            wanted.add('coco/segm_mAP')
        assert 'name' in found['objects'][0]
    else:
        for head in ('decode_head', 'auxiliary_head'):
            if 'channels' in cfg.model.get(head, {}):
                cfg.model[head].channels = 32
        folder = data / 'mmseg'
        metrics, found = journey(cfg, folder, tmp_path, *augmented)
        wanted = {'mIoU'}
        assert sum(found['classes'].values()) == pytest.approx(1)
    assert wanted <= set(metrics)


@pytest.mark.parametrize(
    'name',
    [
        'internimage/internimage-t_32xb128-amp-coslr-300e_in1k.py',
        'internimage/internimage-h_joint-in22k-pre_32xb16-amp-coslr-20e_'
        'in1k-640.py',
        'imagenet/vit-base-p16-m3i-pre_8xb128-coslr-100e_in1k.py',
    ],
)
def test_classifiers(name, data, tmp_path):
    if name.startswith('imagenet'):
        cfg = imagenet.reduced(Path(name).stem, str(data), tmp_path)
    else:
        cfg = internimage.shrink(read_config(name))
        cfg.load_from = None
    imagenet.set_everywhere(cfg._cfg_dict, 'scale', 64)
    imagenet.set_everywhere(cfg._cfg_dict, 'crop_size', 64)
    if name.startswith('imagenet'):
        cfg.model.backbone.img_size = 64
    metrics, found = journey(
        two_iterations(cfg), data / 'mmpretrain', tmp_path
    )
    assert 'accuracy/top1' in metrics
    assert found['name'].startswith('n')


@pytest.mark.parametrize('name', ['1percent', 'knn'])
def test_frozen_features(name, data, tmp_path):
    folder = data / 'mmpretrain'
    name = f'vit-base-p16-m3i-pre_{name}_in1k'
    cfg = imagenet.reduced(name, str(folder), tmp_path)
    cfg.experiment_name = uuid.uuid4().hex
    if name == 'vit-base-p16-m3i-pre_knn_in1k':
        cfg.test_evaluator.k = 3
    cfg.dump(tmp_path / 'small.py')
    weights = tmp_path / 'weights.pth'
    torch.save(build_model(cfg).state_dict(), weights)
    out = tmp_path / 'metrics.json'
    run('test', tmp_path / 'small.py', weights, '--out', out)
    (first, *_) = json.loads(out.read_text()).values()
    assert 0 <= first <= 100


@pytest.mark.parametrize(
    'name',
    [
        'm3i_vit-base-p16_32xb128-amp-coslr-32e_in1k-yfcc15m',
        'm3i_internimage-t_32xb128-amp-coslr-400e_in1k',
    ],
)
def test_pre_training(name, data, tmp_path):
    """With labels and, in the mixture, captions; then features."""
    cfg = read_config(f'm3i/{name}.py')
    shrink_m3i(cfg.model)
    imagenet.set_everywhere(cfg._cfg_dict, 'vocab_size', 49408)
    for key, value in (
        ('root', str(data / 'mmpretrain')),
        ('urls', str(data / 'captions/00000.tar')),
        ('samples_per_shard', None),
        ('size', 64),
    ):
        imagenet.set_everywhere(cfg._cfg_dict, key, value)
    dataset = cfg.train_dataloader.dataset
    for part in dataset.get('datasets', [dataset]):
        if part.source.type == 'm3i_mm.ImageNetSource':
            part.source.num_classes = 6
        else:
            part.pipeline[1].templates = '{captions}'
    small, work = tmp_path / 'small.py', tmp_path / 'work'
    two_iterations(cfg, batch_size=4).dump(small)
    run('train', small, '--work-dir', work)
    weights = ('--config', small, '--checkpoint', work / 'epoch_1.pth')
    out = tmp_path / 'features.npz'
    run('embed', data / 'mmpretrain/val', *weights, '--out', out)
    assert np.isfinite(np.load(out)['feature']).all()
