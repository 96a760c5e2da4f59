"""Colours and look-alikes of patches, against scikit-learn and loops."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

from m3i_mm.visualization import (
    draw_patch_features,
    patch_similarity,
    principal_colors,
)


def test_colors_follow_the_main_directions():
    torch.manual_seed(0)
    maps = torch.randn(3, 8, 5, 4)
    maps[:, 0] *= 5
    maps[:, 3] *= 3
    colors = principal_colors(maps)
    assert colors.shape == (3, 5, 4, 3)
    assert colors.dtype == np.uint8
    patches = maps.permute(0, 2, 3, 1).reshape(-1, 8).numpy()
    expected = PCA(3).fit_transform(patches)
    for channel in range(3):
        values = colors.reshape(-1, 3)[:, channel].astype(float)
        inside = (values > 0) & (values < 255)
        correlation = np.corrcoef(values[inside], expected[inside, channel])[
            0, 1
        ]
        assert abs(correlation) > 0.9999


def test_colors_do_not_depend_on_the_sign_that_a_solver_chose():
    torch.manual_seed(0)
    maps = torch.randn(2, 6, 4, 4)
    assert (principal_colors(maps) == principal_colors(maps.clone())).all()


@pytest.mark.parametrize('channels', [1, 2, 3])
def test_few_channels_leave_colors_black(channels):
    colors = principal_colors(torch.randn(1, channels, 4, 4))
    assert colors[..., :channels].any()
    assert not colors[..., channels:].any()


def test_a_constant_map_is_no_error():
    assert principal_colors(torch.ones(1, 4, 3, 3)).shape == (1, 3, 3, 3)


def test_similarity_is_the_cosine_with_the_patch():
    torch.manual_seed(0)
    maps = torch.randn(2, 5, 3, 4)
    similar = patch_similarity(maps, 1, (2, 3))
    query = maps[1, :, 2, 3].double()
    for picture in range(2):
        for row in range(3):
            for column in range(4):
                other = maps[picture, :, row, column].double()
                cosine = query @ other / query.norm() / other.norm()
                assert torch.isclose(
                    similar[picture, row, column], cosine, atol=1e-12
                )


def test_draws_a_row_for_each_picture(tmp_path):
    pictures = [np.full((32, 32, 3), value, np.uint8) for value in (0, 200)]
    draw_patch_features(pictures, torch.randn(2, 8, 4, 4), tmp_path / 'p.png')
    with Image.open(tmp_path / 'p.png') as drawn:
        assert drawn.width > drawn.height
    with pytest.raises(ValueError, match='2 pictures, but 1 maps'):
        draw_patch_features(pictures, torch.randn(1, 8, 4, 4), tmp_path / 'q')
