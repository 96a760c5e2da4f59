"""RoIAlign and RoIPool against their definitions, point by point."""

import mmcv_ext_reference as reference
import pytest
import torch
from mmcv import ops

pytestmark = pytest.mark.openmmlab
SIZE, SCALE = (2, 3), 0.5
ROIS = torch.tensor(
    [
        [0.0, 1.3, 2.1, 13.7, 9.4],
        [1.0, -9.0, -5.0, 4.0, 4.0],  # half outside
        [0.0, 9.0, 6.0, 40.0, 30.0],  # beyond the end
        [1.0, 60.0, 60.0, 70.0, 80.0],  # all outside
        [1.0, 4.0, 4.0, 4.5, 4.2],  # less than a pixel
    ],
    dtype=torch.float64,
)


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 2, 6, 8, generator=generator, dtype=torch.float64)
    return maps.requires_grad_()


def check_with_gradient(maps, output, expected):
    torch.testing.assert_close(output, expected)
    weight = torch.arange(output.numel(), dtype=output.dtype).sin()
    weight = weight.view_as(output)
    gradients = [
        torch.autograd.grad((result * weight).sum(), maps)[0]
        for result in (output, expected)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('sampling_ratio', [0, 1, 3])
@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_roi_align(maps, mode, sampling_ratio, aligned):
    arguments = (SIZE, SCALE, sampling_ratio, mode, aligned)
    output = ops.roi_align(maps, ROIS, *arguments)
    expected = reference.roi_align(maps, ROIS, *arguments)
    check_with_gradient(maps, output, expected)


def test_roi_align_max_takes_the_first_of_equal_points():
    maps = torch.ones(1, 1, 4, 4, requires_grad=True)
    rois = torch.tensor([[0.0, 0, 0, 4, 4]])
    ops.roi_align(maps, rois, (1, 1), 1.0, 2, 'max', True).sum().backward()
    # the first of the four points lies at (0.5, 0.5)
    expected = torch.zeros(4, 4)
    expected[:2, :2] = 0.25
    assert torch.equal(maps.grad[0, 0], expected)


def test_roi_align_of_an_empty_region(maps):
    rois = torch.tensor([[0.0, 4, 4, 4, 4]], dtype=torch.float64)
    average = ops.roi_align(maps, rois, SIZE, SCALE, 0, 'avg', True)
    assert torch.equal(average, torch.zeros_like(average))
    # the value that the maximum of MMCV's CPU kernel starts from
    maximum = ops.roi_align(maps, rois, SIZE, SCALE, 0, 'max', True)
    assert torch.equal(maximum, torch.full_like(maximum, -1e4))
    (gradient,) = torch.autograd.grad(maximum.sum(), maps)
    assert not gradient.any()


def test_roi_pool(maps):
    output = ops.roi_pool(maps, ROIS, SIZE, SCALE)
    expected = reference.roi_pool(maps, ROIS, SIZE, SCALE)
    check_with_gradient(maps, output, expected)


def test_roi_pool_does_not_round_regions():
    maps = torch.arange(36.0).view(1, 1, 6, 6)
    rois = torch.tensor([[0.0, 0.6, 0.6, 2.4, 2.4]])
    # pixels 0.6 to 3.4; torchvision rounds to pixels 1 to 2
    assert ops.roi_pool(maps, rois, 1, 1.0).item() == maps[0, 0, 3, 3]


def test_roi_pool_of_a_malformed_region_is_constant(maps):
    rois = torch.tensor([[0.0, 9, 9, 2, 2]], dtype=torch.float64)
    output = ops.roi_pool(maps, rois, SIZE, SCALE)
    (gradient,) = torch.autograd.grad(output.sum(), maps)
    assert not output.any()
    assert not gradient.any()


@pytest.mark.parametrize(
    'pool',
    [
        lambda maps, rois: ops.roi_align(maps, rois, SIZE, SCALE),
        lambda maps, rois: ops.roi_align(maps, rois, SIZE, SCALE, 0, 'max'),
        lambda maps, rois: ops.roi_pool(maps, rois, SIZE, SCALE),
    ],
    ids=['roi_align_avg', 'roi_align_max', 'roi_pool'],
)
class TestAnyPooling:
    def test_no_regions(self, maps, pool):
        output = pool(maps, ROIS[:0])
        assert output.shape == (0, 2, *SIZE)
        (gradient,) = torch.autograd.grad(output.sum(), maps)
        assert torch.equal(gradient, torch.zeros_like(maps))

    def test_non_contiguous_map_and_gradient(self, maps, pool):
        strided = maps.transpose(2, 3).contiguous().transpose(2, 3)
        output = pool(strided, ROIS)
        torch.testing.assert_close(output, pool(maps, ROIS))
        gradients = [
            torch.autograd.grad(result.mT.cumsum(-1).sum(), maps)[0]
            for result in (output, pool(maps, ROIS))
        ]
        torch.testing.assert_close(*gradients)

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
    def test_half_precision(self, maps, pool, dtype):
        maps = maps.detach().to(dtype).requires_grad_()
        rois = ROIS.to(dtype)
        output = pool(maps, rois)
        expected = pool(maps.float(), rois.float())
        assert output.dtype == dtype
        assert torch.equal(output, expected.to(dtype))
        gradients = [
            torch.autograd.grad(result.sum(), maps)[0]
            for result in (output, expected)
        ]
        # the positions of the maxima are stored in half precision
        torch.testing.assert_close(*gradients, rtol=0.1, atol=0.1)
