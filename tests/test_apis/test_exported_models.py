"""Detectors and segmentors as functions of images, and as ONNX."""

import onnxruntime
import pytest
import torch
from mmcv.ops import batched_nms
from toy import exported

from m3i_mm.apis.export import build_part, export_model, verify_onnx
from m3i_mm.apis.exported import wrap_for_export
from m3i_mm.apis.exported.pooling import (
    AdaptiveAverage,
    replace_adaptive_pooling,
)
from m3i_mm.apis.exported.suppression import best, suppress
from m3i_mm.runs.config_check import ConfigError

pytestmark = pytest.mark.openmmlab
SIZES = [(64, 96), (96, 128), (128, 64)]


@pytest.fixture(scope='module')
def detector():
    return exported.build(exported.detector_config())


@pytest.mark.parametrize('size', [(1, 2), (3, 3), (6, 5)])
@pytest.mark.parametrize('shape', [(7, 12), (6, 10), (2, 3)])
def test_adaptive_pooling_by_matrices(size, shape):
    maps = torch.randn(2, 4, *shape)
    torch.testing.assert_close(
        AdaptiveAverage(size)(maps),
        torch.nn.functional.adaptive_avg_pool2d(maps, size),
    )


def test_pooling_is_replaced_for_a_while():
    model = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(3), torch.nn.AdaptiveAvgPool2d(1)
    )
    with replace_adaptive_pooling(model):
        assert isinstance(model[0], AdaptiveAverage)
        assert isinstance(model[1], torch.nn.AdaptiveAvgPool2d)
    assert isinstance(model[0], torch.nn.AdaptiveAvgPool2d)


def test_the_best_are_filled_up():
    scores = torch.tensor([[0.2, 0.9, 0.5], [0.4, 0.1, 0.3]])
    selected = best(scores, 2)
    assert selected.indices.tolist() == [[1, 2], [0, 2]]
    selected = best(scores, 4)
    assert selected.scores[0].tolist() == pytest.approx([0.9, 0.5, 0.2, -1])
    assert selected.indices[0].tolist() == [1, 2, 0, 0]


def test_suppression_is_that_of_mmcv_for_each_image():
    torch.manual_seed(0)
    corner = 80 * torch.rand(3, 40, 2) - 20
    boxes = torch.cat([corner, corner + 30 * torch.rand(3, 40, 2)], -1)
    scores, groups = torch.rand(3, 40), torch.randint(4, (3, 40))
    selected = suppress(boxes, scores, groups, 0.3, 40)
    for image in range(3):
        expected, order = batched_nms(
            boxes[image],
            scores[image],
            groups[image],
            dict(type='nms', iou_threshold=0.3),
        )
        count = len(order)
        assert 10 < count < 40
        assert torch.equal(selected.indices[image, :count], order)
        assert torch.equal(selected.scores[image, :count], expected[:, 4])
        assert selected.scores[image, count:].eq(-1).all()


def predicted(detector, images):
    """What MMDetection predicts, in the pixels of the images."""
    from mmdet.structures import DetDataSample

    size = tuple(images.shape[-2:])
    meta = dict(
        img_shape=size,
        ori_shape=size,
        batch_input_shape=size,
        scale_factor=(1.0, 1.0),
    )
    samples = [DetDataSample(metainfo=meta) for _ in images]
    results = detector.predict(images, samples, rescale=False)
    return [result.pred_instances for result in results]


@torch.no_grad()
def test_a_detector_as_a_function_of_images(detector):
    from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask

    images = torch.randn(2, 3, 96, 128)
    found = wrap_for_export(detector)(images)
    for image, expected in enumerate(predicted(detector, images)):
        scores, boxes, labels, masks = (values[image] for values in found)
        count = len(expected)
        assert count > 3
        torch.testing.assert_close(scores[:count], expected.scores)
        assert scores[count:].eq(0).all()
        torch.testing.assert_close(boxes[:count], expected.bboxes)
        assert torch.equal(labels[:count], expected.labels)
        pasted = _do_paste_mask(
            masks[:count, None], boxes[:count], 96, 128, skip_empty=False
        )[0]
        assert torch.equal(pasted >= 0.5, expected.masks)


@torch.no_grad()
def test_few_objects_are_filled_up(detector):
    images = torch.randn(1, 3, 64, 64)
    threshold = detector.test_cfg.rcnn.score_thr
    detector.test_cfg.rcnn.score_thr = 0.5
    try:
        scores, *_ = wrap_for_export(detector)(images)
        (expected,) = predicted(detector, images)
    finally:
        detector.test_cfg.rcnn.score_thr = threshold
    assert len(expected) < 20
    assert int((scores > 0).sum()) == len(expected)


def test_onnx_of_a_detector(detector, tmp_path):
    path = str(tmp_path / 'detector.onnx')
    model = wrap_for_export(detector)
    export_model(model, path, (96, 128))
    assert verify_onnx(model, path, SIZES) < 1e-4
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    assert names == ['scores', 'boxes', 'labels', 'masks']
    images = torch.randn(2, 3, 128, 96)
    found = session.run(None, {'images': images.numpy()})
    with torch.no_grad():
        expected = model(images)
    for value, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(
            torch.from_numpy(value), reference, rtol=1e-4, atol=1e-3
        )


def test_onnx_of_a_segmentor(tmp_path):
    cfg = exported.segmentor_config()
    segmentor = exported.build(cfg)
    model = wrap_for_export(segmentor)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        (logits,) = model(images)
        expected = segmentor.encode_decode(
            images, [dict(img_shape=(64, 96))] * 2
        )
    torch.testing.assert_close(logits, expected)
    path = str(tmp_path / 'segmentor.onnx')
    export_model(model, path, (64, 96))
    assert verify_onnx(model, path, SIZES) < 1e-4


def test_what_is_not_exported_says_what_is():
    cfg = exported.detector_config()
    cfg.model.test_cfg.rcnn.nms.type = 'soft_nms'
    with pytest.raises(
        ConfigError,
        match='MaskRCNN with soft_nms as suppression is not exported as a '
        'whole; --part backbone',
    ):
        build_part(cfg, 'model')


def test_a_head_that_predicts_otherwise():
    segmentor = exported.build(exported.segmentor_config())
    kind = type(segmentor.decode_head)
    other = type('MaskHead', (kind,), dict(predict=lambda *_: None))
    segmentor.decode_head.__class__ = other
    with pytest.raises(ConfigError, match='EncoderDecoder with a MaskHead'):
        wrap_for_export(segmentor)


def test_dense_and_other_heads():
    detector = exported.build(exported.detector_config())
    detector.rpn_head = torch.nn.Identity()
    with pytest.raises(ConfigError, match='Identity and StandardRoIHead'):
        wrap_for_export(detector)
    del detector.roi_head
    with pytest.raises(ConfigError, match='MaskRCNN with a dense head'):
        wrap_for_export(detector)
