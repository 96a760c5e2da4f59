"""The stand-in against numbers of a compiled MMCV 2.3.6.

``tests/data/mmcv_ops.npz`` holds inputs, outputs and gradients as
``case/array``.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import ops

pytestmark = pytest.mark.openmmlab
FILE = Path(__file__).parents[1] / 'data' / 'mmcv_ops.npz'


@pytest.fixture(scope='module')
def arrays():
    with np.load(FILE) as file:
        return {name: torch.from_numpy(file[name]) for name in file}


@pytest.fixture(scope='module')
def boxes(arrays):
    return [arrays[f'boxes/{name}'] for name in ('boxes', 'scores', 'labels')]


def check_kept(arrays, case, dets, keep):
    assert keep.tolist() == arrays[f'{case}/keep'].tolist()
    torch.testing.assert_close(dets, arrays[f'{case}/dets'], rtol=0, atol=1e-5)


@pytest.mark.parametrize('threshold', [0.3, 0.5, 0.7])
def test_nms(arrays, boxes, threshold):
    kept = ops.nms(boxes[0], boxes[1], threshold)
    check_kept(arrays, f'nms_{threshold}', *kept)


def test_nms_with_score_threshold_and_limit(arrays, boxes):
    kept = ops.nms(*boxes[:2], 0.5, score_threshold=0.3, max_num=20)
    check_kept(arrays, 'nms_score_max', *kept)


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms(arrays, boxes, method):
    kept = ops.soft_nms(*boxes[:2], iou_threshold=0.3, method=method)
    check_kept(arrays, f'soft_nms_{method}', *kept)


@pytest.mark.parametrize(
    ('case', 'config'),
    [
        ('batched_nms', dict(type='nms', iou_threshold=0.5)),
        (
            'batched_soft_nms',
            dict(type='soft_nms', iou_threshold=0.5, min_score=0.05),
        ),
    ],
)
def test_batched_nms(arrays, boxes, case, config):
    check_kept(arrays, case, *ops.batched_nms(*boxes, config))


def test_nms_match(arrays, boxes):
    dets = torch.cat([boxes[0], boxes[1][:, None]], dim=1)
    groups = ops.nms_match(dets, 0.5)
    lengths = arrays['nms_match/lens'].tolist()
    assert [len(group) for group in groups] == lengths
    assert torch.equal(torch.cat(groups), arrays['nms_match/flat'])


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('aligned', [0, 1])
@pytest.mark.parametrize('sampling_ratio', [0, 2])
def test_roi_align(arrays, sampling_ratio, aligned, mode):
    case = f'roi_align_sr{sampling_ratio}_al{aligned}_{mode}'
    input = arrays['roi/input'].clone().requires_grad_()
    output = ops.roi_align(
        input,
        arrays['roi/rois'],
        (5, 7),
        0.25,
        sampling_ratio,
        mode,
        bool(aligned),
    )
    output.backward(arrays[f'{case}/grad_output'])
    expected = arrays[f'{case}/output'], arrays[f'{case}/grad_input']
    torch.testing.assert_close(
        (output, input.grad), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ('case', 'names'),
    [
        ('deform_conv2d', ['input', 'offset', 'weight']),
        (
            'modulated_deform_conv2d',
            ['input', 'offset', 'mask', 'weight', 'bias'],
        ),
    ],
)
def test_deform_conv(arrays, case, names):
    inputs = [
        arrays[f'{case}/{name}'].clone().requires_grad_() for name in names
    ]
    # stride, padding and dilation 1, two groups, three of offsets
    output = getattr(ops, case)(*inputs, 1, 1, 1, 2, 3)
    output.backward(arrays[f'{case}/grad_output'])
    torch.testing.assert_close(output, arrays[f'{case}/output'])
    for name, input in zip(names, inputs, strict=True):
        torch.testing.assert_close(
            input.grad, arrays[f'{case}/grad_{name}'], rtol=1e-5, atol=1e-5
        )
