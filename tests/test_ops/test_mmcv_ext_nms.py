"""Suppression and overlaps against their definitions, box by box."""

import math

import mmcv_ext_reference as reference
import pytest
import torch
from mmcv import ops

pytestmark = pytest.mark.openmmlab


def random_boxes(count, size=100.0):
    generator = torch.Generator().manual_seed(count)
    corners = torch.rand(count, 2, generator=generator) * size
    sides = torch.rand(count, 2, generator=generator) * size / 2
    boxes = torch.cat([corners, corners + sides], dim=1)
    return boxes, torch.rand(count, generator=generator)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.05, 0.4, 0.9])
def test_nms(threshold, offset):
    boxes, scores = random_boxes(60)
    dets, keep = ops.nms(boxes, scores, threshold, offset=offset)
    groups = reference.nms_groups(
        boxes.tolist(), scores.tolist(), lambda iou: iou > threshold, offset
    )
    assert keep.tolist() == [group[0] for group in groups]
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], 1)[keep])


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_keeps_the_first_of_equal_boxes_and_scores(offset):
    boxes = torch.tensor([[0.0, 0, 9, 9], [50, 50, 60, 60]]).repeat(20, 1)
    scores = torch.full((40,), 0.5)
    _, keep = ops.nms(boxes, scores, 0.5, offset=offset)
    assert keep.tolist() == [0, 1]


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_keeps_a_box_whose_iou_equals_the_threshold(offset):
    # 10 pixels, of which the second box covers one: an IoU of float32(0.1)
    boxes = torch.tensor([[0.0, 0, 10 - offset, 1 - offset]]).repeat(2, 1)
    boxes[1, 2] = 1 - offset
    _, keep = ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.1, offset=offset)
    assert keep.tolist() == [0, 1]
    groups = ops.nms_match(
        torch.tensor([[0.0, 0, 10, 1, 0.9], [0, 0, 1, 1, 0.8]]), 0.1
    )
    assert [group.tolist() for group in groups] == [[0, 1]]


def test_nms_computes_half_precision_in_float32():
    boxes, scores = random_boxes(40)
    boxes, scores = boxes.half(), scores.half()
    _, keep = ops.nms(boxes, scores, 0.4)
    _, expected = ops.nms(boxes.float(), scores.float(), 0.4)
    assert torch.equal(keep, expected)


def test_nms_match():
    boxes, scores = random_boxes(60)
    groups = ops.nms_match(torch.cat([boxes, scores[:, None]], 1), 0.3)
    expected = reference.nms_groups(
        boxes.tolist(), scores.tolist(), lambda iou: iou >= 0.3
    )
    assert [group.tolist() for group in groups] == expected


DECAYS = {
    'naive': lambda iou: float(iou < 0.4),
    'linear': lambda iou: 1 - iou if iou >= 0.4 else 1.0,
    'gaussian': lambda iou: math.exp(-iou * iou / 0.3),
}


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('min_score', [0.001, 0.3])
@pytest.mark.parametrize('method', list(DECAYS))
def test_soft_nms(method, min_score, offset):
    boxes, scores = random_boxes(50)
    dets, keep = ops.soft_nms(
        boxes, scores, 0.4, 0.3, min_score, method, offset
    )
    expected = reference.soft_nms(
        boxes.tolist(), scores.tolist(), DECAYS[method], min_score, offset
    )
    assert keep.tolist() == [index for index, _ in expected]
    torch.testing.assert_close(
        dets[:, 4], torch.tensor([score for _, score in expected])
    )
    assert torch.equal(dets[:, :4], boxes[keep])


def test_soft_nms_breaks_ties_like_mmcv():
    # The best of four disjoint boxes of equal score is the first one. MMCV
    # swaps it with the position it fills, and replaces the dropped box 1 by
    # the last one, which so overtakes box 2.
    boxes = torch.tensor(
        [[0.0, 0, 9, 9], [0, 0, 9, 8], [20, 20, 29, 29], [40, 40, 49, 49]]
    )
    _, keep = ops.soft_nms(boxes, torch.full((4,), 0.5), 0.3, method='naive')
    assert keep.tolist() == [0, 3, 2]


def test_no_boxes():
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    for kept in (
        ops.nms(boxes, scores, 0.5),
        ops.nms(boxes, scores, 0.5, offset=1),
        ops.soft_nms(boxes, scores),
    ):
        assert [tuple(part.shape) for part in kept] == [(0, 5), (0,)]
    assert ops.nms_match(torch.zeros(0, 5), 0.5) == []


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('mode', ['iou', 'iof'])
def test_bbox_overlaps(mode, offset):
    boxes1, boxes2 = random_boxes(9)[0], random_boxes(7)[0]
    result = ops.bbox_overlaps(boxes1, boxes2, mode, offset=offset)
    for a, row in zip(boxes1.tolist(), result.tolist(), strict=True):
        for b, value in zip(boxes2.tolist(), row, strict=True):
            expected = reference.iou(a, b, offset)
            if mode == 'iof':
                areas = [
                    (c[2] - c[0] + offset) * (c[3] - c[1] + offset)
                    for c in (a, b)
                ]
                # iou = i / (sum - i)  =>  i = iou * sum / (1 + iou)
                expected *= sum(areas) / (1 + expected) / areas[0]
            assert value == pytest.approx(expected, abs=1e-5)
    aligned = ops.bbox_overlaps(boxes1[:7], boxes2, mode, True, offset)
    torch.testing.assert_close(aligned, result[:7].diagonal())
