"""Stock MMDetection and MMSegmentation models on the stand-in."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.hub import get_config
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample

pytestmark = pytest.mark.openmmlab
SIZE = 64
SMALL_RESNET = dict(depth=18, base_channels=8, init_cfg=None)
SMALL_CHANNELS = [8, 16, 32, 64]


def build(config, scope):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(config)
    model.init_weights()
    return model


def detection_batch():
    generator = np.random.default_rng(0)
    images, samples = [], []
    for _ in range(2):
        image = generator.integers(0, 256, (3, SIZE, SIZE), dtype=np.uint8)
        images.append(torch.from_numpy(image))
        shape = dict(
            img_shape=(SIZE, SIZE),
            ori_shape=(SIZE, SIZE),
            batch_input_shape=(SIZE, SIZE),
            scale_factor=(1.0, 1.0),
        )
        sample = DetDataSample(metainfo=shape)
        boxes = torch.tensor([[4.0, 8, 30, 40], [20, 20, 60, 56]])
        sample.gt_instances = InstanceData(
            bboxes=boxes, labels=torch.tensor([1, 2])
        )
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def train_and_predict(model, batch):
    """Take one step of SGD, then return the predictions."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    data = model.data_preprocessor(batch, training=True)
    losses = model(**data, mode='loss')
    total, _ = model.parse_losses(losses)
    assert torch.isfinite(total)
    total.backward()
    gradients = [p.grad for p in model.backbone.parameters()]
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)
    optimizer.step()
    model.eval()
    with torch.no_grad():
        data = model.data_preprocessor(batch, training=False)
        return model(**data, mode='predict')


def check_detections(results):
    assert len(results) == 2
    for result in results:
        instances = result.pred_instances
        assert instances.bboxes.shape == (len(instances), 4)
        assert torch.isfinite(instances.bboxes).all()


def small_mask_rcnn():
    config = get_config('mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py').model
    config.backbone.update(SMALL_RESNET)
    config.neck.update(in_channels=SMALL_CHANNELS, out_channels=16)
    head = config.rpn_head
    head.update(in_channels=16, feat_channels=16)
    for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
        config.roi_head[name].out_channels = 16
    config.roi_head.bbox_head.update(in_channels=16, fc_out_channels=32)
    config.roi_head.mask_head.update(
        num_convs=1, in_channels=16, conv_out_channels=16
    )
    config.train_cfg.rpn_proposal.max_per_img = 50
    config.test_cfg.rpn.max_per_img = 50
    config.test_cfg.rcnn.update(score_thr=0.0, max_per_img=10)
    return config


@pytest.mark.parametrize(
    ('pool_mode', 'nms'), [('avg', 'nms'), ('max', 'soft_nms')]
)
def test_mask_rcnn(pool_mode, nms):
    config = small_mask_rcnn()
    config.roi_head.bbox_roi_extractor.roi_layer.pool_mode = pool_mode
    config.test_cfg.rcnn.nms.type = nms
    batch = detection_batch()
    for sample in batch['data_samples']:
        masks = np.zeros((2, SIZE, SIZE), dtype=np.uint8)
        masks[0, 10:38, 6:28] = masks[1, 24:50, 24:58] = 1
        sample.gt_instances.masks = BitmapMasks(masks, SIZE, SIZE)
    results = train_and_predict(build(config, 'mmdet'), batch)
    check_detections(results)
    assert len(results[0].pred_instances) == 10
    assert results[0].pred_instances.masks.shape == (10, SIZE, SIZE)


def test_retinanet_with_deformable_convolutions():
    config = get_config('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py').model
    config.backbone.update(
        base_channels=8,
        init_cfg=None,
        dcn=dict(type='DCNv2', deform_groups=2),
        stage_with_dcn=(False, False, True, True),
    )
    config.neck.update(in_channels=[32, 64, 128, 256], out_channels=16)
    config.bbox_head.update(in_channels=16, feat_channels=16)
    check_detections(
        train_and_predict(build(config, 'mmdet'), detection_batch())
    )


@pytest.mark.parametrize(
    'name',
    [
        'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
        'dino/dino-4scale_r50_8xb2-12e_coco.py',
    ],
)
def test_deformable_transformers(name):
    config = get_config(f'mmdet::{name}').model
    config.backbone.update(SMALL_RESNET)
    config.neck.in_channels = SMALL_CHANNELS[1:]
    config.num_queries = 12
    config.encoder.num_layers = config.decoder.num_layers = 1
    config.test_cfg.max_per_img = 10
    results = train_and_predict(build(config, 'mmdet'), detection_batch())
    check_detections(results)
    assert len(results[0].pred_instances) == 10


def test_upernet():
    config = get_config(
        'mmseg::upernet/upernet_r50_4xb4-80k_ade20k-512x512.py'
    ).model
    config.pretrained = None
    config.backbone.update(depth=18, base_channels=8, norm_cfg=dict(type='BN'))
    config.data_preprocessor.size = (SIZE, SIZE)
    config.decode_head.update(
        in_channels=SMALL_CHANNELS, channels=16, norm_cfg=dict(type='BN')
    )
    config.auxiliary_head.update(
        in_channels=32, channels=16, norm_cfg=dict(type='BN')
    )
    shape = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE))
    sample = SegDataSample(metainfo=shape)
    labels = torch.arange(SIZE * SIZE).view(1, SIZE, SIZE) % 150
    sample.gt_sem_seg = PixelData(data=labels)
    image = (labels.expand(3, -1, -1) % 256).byte()
    batch = dict(inputs=[image, image.flip(-1)], data_samples=[sample, sample])
    results = train_and_predict(build(config, 'mmseg'), batch)
    assert results[0].pred_sem_seg.data.shape == (1, SIZE, SIZE)
