"""InternImage in Mask R-CNN, UPerNet and a classifier of the libraries.

The configs inherit the libraries' own; they set the backbone and the channels
that it hands on.
"""

import math

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData, PixelData

import m3i_mm.models  # noqa: F401

pytestmark = pytest.mark.openmmlab

BACKBONE = """
    backbone=dict(
        _delete_=True,
        type='m3i_mm.InternImage',
        arch=dict(channels=16, depths=(1, 1, 1, 1), groups=(1, 2, 4, 8)),
        layer_scale=1.0,
        drop_path_rate=0.1,
    ),
"""
CHANNELS = [16, 32, 64, 128]
MASK_RCNN = f"""
_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
model = dict({BACKBONE} neck=dict(in_channels={CHANNELS}))
"""
UPERNET = f"""
_base_ = 'mmseg::upernet/upernet_r50_4xb4-80k_ade20k-512x512.py'
norm = dict(type='BN')
model = dict(pretrained=None, {BACKBONE}
    decode_head=dict(in_channels={CHANNELS}, channels=16, norm_cfg=norm),
    auxiliary_head=dict(in_channels=64, norm_cfg=norm),
)
"""
CLASSIFIER = f"""
_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'
model = dict({BACKBONE} head=dict(in_channels=128, topk=(1,)))
"""


def build(text, tmp_path):
    """The model and optimiser of a config, as its library builds them."""
    path = tmp_path / 'config.py'
    path.write_text(text)
    cfg = Config.fromfile(path)
    settings = dict(cfg.model)
    settings.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    model = MODELS.build(settings)
    model.init_weights()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    return model, optim_wrapper


def train_and_predict(model, optim_wrapper, batch):
    """One step of everything but the frozen; then a prediction."""
    torch.manual_seed(0)
    before = model.backbone.levels[0].blocks[0].mlp.fc1.weight.clone()
    log = model.train_step(batch, optim_wrapper)
    assert math.isfinite(log['loss'])
    after = model.backbone.levels[0].blocks[0].mlp.fc1.weight
    assert not torch.equal(before, after)
    model.eval()
    return model.test_step(batch)


def images(size=64):
    generator = torch.Generator().manual_seed(0)
    shape = (3, size, size)
    return [
        torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        for _ in range(2)
    ]


def test_mask_rcnn_of_mmdetection(tmp_path):
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    samples = []
    for label in (3, 70):
        masks = torch.zeros(1, 64, 64, dtype=torch.uint8)
        masks[:, 8:40, 16:48] = 1
        instances = InstanceData(
            bboxes=torch.tensor([[16.0, 8.0, 48.0, 40.0]]),
            labels=torch.tensor([label]),
            masks=BitmapMasks(masks.numpy(), 64, 64),
        )
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(64, 64),
                ori_shape=(64, 64),
                batch_input_shape=(64, 64),
                scale_factor=(1.0, 1.0),
                img_id=label,
            )
        )
        sample.gt_instances = instances
        samples.append(sample)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model, optim_wrapper = build(MASK_RCNN, tmp_path)
        batch = dict(inputs=images(), data_samples=samples)
        predictions = train_and_predict(model, optim_wrapper, batch)
    instances = predictions[0].pred_instances
    assert instances.bboxes.shape == (len(instances), 4)
    assert instances.masks.shape == (len(instances), 64, 64)


def test_upernet_of_mmsegmentation(tmp_path):
    from mmseg.structures import SegDataSample

    samples = []
    for label in (3, 120):
        sample = SegDataSample(
            metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64))
        )
        labels = torch.full((1, 64, 64), label)
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model, optim_wrapper = build(UPERNET, tmp_path)
        model.data_preprocessor.size = (64, 64)
        batch = dict(inputs=images(), data_samples=samples)
        predictions = train_and_predict(model, optim_wrapper, batch)
    assert predictions[0].pred_sem_seg.data.shape == (1, 64, 64)


def test_classifier_of_mmpretrain(tmp_path):
    from mmpretrain.structures import DataSample

    samples = [DataSample().set_gt_label(label) for label in (3, 700)]
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model, optim_wrapper = build(CLASSIFIER, tmp_path)
        batch = dict(inputs=images(), data_samples=samples)
        predictions = train_and_predict(model, optim_wrapper, batch)
    assert predictions[0].pred_score.shape == (1000,)
