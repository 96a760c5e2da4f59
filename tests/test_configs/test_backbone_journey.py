"""From a pre-training by ``publish_model.py`` to every task, in every format.

A shipped M3I is shrunk, its checkpoint published, and the shipped fine-tuning
configs, shrunk to the same backbone, start from the file by ``--backbone``.
"""

import re
from dataclasses import asdict, replace

import pytest
import torch
from toy.downstream import read_config, shrink

from m3i_mm.checkpoints import publish, read_checkpoint
from m3i_mm.checkpoints.publishing import FORMATS
from m3i_mm.models.internimage.archs import ARCHS
from m3i_mm.runs import building
from m3i_mm.runs.own_data import use_backbone

pytestmark = pytest.mark.openmmlab

VIT = dict(embed_dims=32, num_layers=4, num_heads=2, feedforward_channels=64)
PRETRAININGS = dict(
    vit='m3i/m3i_vit-base-p16_32xb128-amp-coslr-400e_in1k.py',
    internimage='m3i/m3i_internimage-t_32xb128-amp-coslr-400e_in1k.py',
)
# what the tasks add to a plain ViT, as MAE and ViTDet do
ADDED = re.compile(r'rel_pos|relative_position|gamma|^ln2')
TASKS = dict(
    vit=[
        'imagenet/vit-base-p16-m3i-pre_8xb128-coslr-100e_in1k.py',
        'imagenet/vit-base-p16-m3i-pre_8xb2048-linear-coslr-90e_in1k.py',
        'coco/mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_coco.py',
        'ade20k/upernet_vit-base-p16-m3i-pre_8xb2-160k_ade20k-512x512.py',
    ],
    internimage=[
        'internimage/internimage-t_32xb128-amp-coslr-300e_in1k.py',
        'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py',
        'coco/dino-4scale_internimage-t_8xb2-12e_coco.py',
        'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py',
    ],
)


def small_pretraining(kind):
    """Read a shipped pre-training with a backbone of 4 thin layers."""
    cfg = read_config(PRETRAININGS[kind])
    model = cfg.model
    if kind == 'vit':
        model.backbone.update(arch=VIT, img_size=64)
    else:
        model.backbone.arch = small_internimage()
        model.neck.update(in_channels=[64, 128], out_channels=32)
    narrow(model)
    return cfg


def small_internimage():
    sizes = dict(channels=16, depths=(1, 1, 1, 1), groups=(1, 2, 4, 8))
    return asdict(replace(ARCHS['tiny'], **sizes))


def narrow(node):
    """Fit decoders to 32 channels, and let one process train them."""
    for key, value in node.items():
        if key in ('in_dims', 'out_dims', 'embed_dims'):
            node[key] = 32
        elif isinstance(value, dict):
            narrow(value)
    if node.get('type') == 'SyncBN':
        node.type = 'BN'


def small_task(kind, name):
    cfg = read_config(name)
    if 'train_pipeline' in cfg and cfg.default_scope != 'mmpretrain':
        init_cfg = cfg.model.backbone.init_cfg
        shrink(cfg)
        cfg.model.backbone.init_cfg = init_cfg
        return cfg
    size = dict(arch=VIT, img_size=64)
    if kind == 'internimage':
        size = dict(arch=small_internimage())
        cfg.model.head.in_channels = 128
    cfg.model.backbone.update(size)
    if 'frozen_stages' in cfg.model.backbone:
        cfg.model.backbone.frozen_stages = 4
    return cfg


@pytest.fixture(scope='module', params=PRETRAININGS)
def pretrained(request, tmp_path_factory):
    """Which backbone, and a checkpoint of its pre-training."""
    path = tmp_path_factory.mktemp(request.param) / 'epoch_1.pth'
    model = building.build_model(small_pretraining(request.param))
    torch.manual_seed(0)
    for tensor in model.parameters():
        torch.nn.init.normal_(tensor)
    torch.save(dict(state_dict=model.state_dict(), optimizer={}), path)
    return request.param, str(path)


@pytest.mark.parametrize('format', FORMATS)
@pytest.mark.parametrize('part', ['student', 'momentum'])
def test_every_task_starts_from_what_is_published(
    pretrained, part, format, tmp_path
):
    kind, checkpoint = pretrained
    file = publish(checkpoint, str(tmp_path / 'backbone'), part, format)
    start = dict(student='', momentum='momentum_encoder.')[part]
    trained = read_checkpoint(checkpoint)['state_dict']
    for name in TASKS[kind]:
        cfg = small_task(kind, name)
        use_backbone(cfg, file)
        backbone = building.build_model(cfg, 'backbone')
        backbone.init_weights()
        for key, value in backbone.state_dict().items():
            if not value.is_floating_point():
                continue  # an index, which nobody trains
            if ADDED.search(key):
                # next to no effect in the beginning
                neutral = 'gamma' in key or key == 'ln2.weight'
                assert (value - float(neutral)).abs().max() < 0.1
                continue
            expected = trained[f'{start}backbone.{key}']
            assert value.shape == expected.shape or 'pos_embed' in key
            if value.shape == expected.shape:
                assert torch.equal(value, expected), (name, key)
