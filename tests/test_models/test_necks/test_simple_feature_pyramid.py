"""SimpleFeaturePyramid: sizes, independence of the levels, bad input."""

import pytest
import torch

from m3i_mm.models.necks import SimpleFeaturePyramid

pytestmark = pytest.mark.openmmlab


@pytest.mark.parametrize('size', [(4, 6), (5, 7)])
def test_sizes(size):
    """Strides 4, 8, 16, 32 and 64 of a map of stride 16."""
    neck = SimpleFeaturePyramid(16, 8, num_outs=5)
    height, width = size
    maps = neck([None, torch.randn(2, 16, height, width)])
    half = (-(-height // 2), -(-width // 2))
    quarter = (-(-half[0] // 2), -(-half[1] // 2))
    assert [tuple(m.shape) for m in maps] == [
        (2, 8, 4 * height, 4 * width),
        (2, 8, 2 * height, 2 * width),
        (2, 8, height, width),
        (2, 8, *half),
        (2, 8, *quarter),
    ]


def test_levels_share_nothing():
    """A level does not depend on the parameters of another."""
    neck = SimpleFeaturePyramid(8, 4, num_outs=4)
    neck([torch.randn(1, 8, 4, 4)])[0].sum().backward()
    used = {n for n, p in neck.named_parameters() if p.grad is not None}
    assert used
    assert {'.'.join(name.split('.')[:2]) for name in used} == {
        'resamplers.0',
        'projections.0',
    }


def test_outputs_are_normalised_over_channels():
    neck = SimpleFeaturePyramid(8, 4, num_outs=4)
    for level in neck([torch.randn(1, 8, 4, 4)]):
        mean = level.mean(dim=1)
        torch.testing.assert_close(
            mean, torch.zeros_like(mean), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(in_channels=6), 'multiple of 4, got 6'),
        (dict(in_channels=8, num_outs=3), '4 or more, got 3'),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SimpleFeaturePyramid(**kwargs)
