"""The ops on a GPU give what they give on the CPU."""

import pytest
import torch
from mmcv import ops
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU'),
]
BOXES = torch.rand(200, 4, generator=torch.Generator().manual_seed(0))
BOXES[:, 2:] += BOXES[:, :2]
SCORES = torch.rand(200, generator=torch.Generator().manual_seed(1))
ROIS = torch.cat([torch.arange(200)[:, None] % 2, 40 * BOXES], dim=1)


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def deform_attn(value, locations, weights):
    shapes, starts = torch.tensor([[4, 4], [2, 2]]), torch.tensor([0, 16])
    return MultiScaleDeformableAttnFunction.apply(
        value,
        shapes.to(value.device),
        starts.to(value.device),
        locations,
        weights,
        64,
    )


@pytest.mark.parametrize(
    'op',
    [
        lambda boxes, scores: ops.nms(boxes, scores, 0.4),
        lambda boxes, scores: ops.nms(boxes, scores, 0.4, offset=1),
        lambda boxes, scores: ops.soft_nms(boxes, scores, 0.4),
        lambda boxes, scores: ops.batched_nms(
            boxes, scores, boxes.new_ones(200), dict(iou_threshold=0.4)
        ),
        lambda boxes, _: [ops.bbox_overlaps(boxes, boxes)],
    ],
    ids=['nms', 'nms_offset', 'soft_nms', 'batched_nms', 'bbox_overlaps'],
)
def test_boxes(op):
    expected = op(BOXES, SCORES)
    for result, reference in zip(
        op(BOXES.cuda(), SCORES.cuda()), expected, strict=True
    ):
        assert result.is_cuda
        torch.testing.assert_close(result.cpu(), reference)


@pytest.mark.parametrize(
    ('op', 'inputs'),
    [
        (
            lambda x: ops.roi_align(x, ROIS.to(x), 7, 0.5, 0, 'avg'),
            [random(2, 3, 20, 24)],
        ),
        (
            lambda x: ops.roi_align(x, ROIS.to(x), 7, 0.5, 2, 'max'),
            [random(2, 3, 20, 24)],
        ),
        (
            lambda x: ops.roi_pool(x, ROIS.to(x), 7, 0.5),
            [random(2, 3, 20, 24)],
        ),
        (
            lambda x: ops.sigmoid_focal_loss(
                x, torch.arange(30, device=x.device) % 6
            ),
            [random(30, 5)],
        ),
        (
            lambda x: ops.softmax_focal_loss(
                x, torch.arange(30, device=x.device) % 5
            ),
            [random(30, 5)],
        ),
        (
            lambda x, offset, weight: ops.deform_conv2d(
                x, offset, weight, 1, 1
            ),
            [random(2, 4, 9, 9), random(2, 18, 9, 9), random(6, 4, 3, 3)],
        ),
        (
            lambda *inputs: ops.modulated_deform_conv2d(*inputs, None, 1, 1),
            [
                random(2, 4, 9, 9),
                random(2, 18, 9, 9),
                random(2, 9, 9, 9),
                random(6, 4, 3, 3),
            ],
        ),
        (
            deform_attn,
            [
                random(2, 20, 4, 8),
                random(2, 30, 4, 2, 4, 2).sigmoid(),
                random(2, 30, 4, 2, 4),
            ],
        ),
    ],
    ids=[
        'roi_align_avg',
        'roi_align_max',
        'roi_pool',
        'sigmoid_focal_loss',
        'softmax_focal_loss',
        'deform_conv',
        'modulated_deform_conv',
        'ms_deform_attn',
    ],
)
def test_values_and_gradients(op, inputs):
    results = []
    for device in ('cuda', 'cpu'):
        leaves = [x.to(device).requires_grad_() for x in inputs]
        output = op(*leaves)
        output.square().sum().backward()
        results.append([output, *(leaf.grad for leaf in leaves)])
    for result, reference in zip(*results, strict=True):
        torch.testing.assert_close(
            result.cpu(), reference, rtol=1e-4, atol=1e-4
        )
