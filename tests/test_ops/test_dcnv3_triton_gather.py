"""The gradient of the input gathered by tiles: where it runs, see
``test_dcnv3_triton.py``."""

import os

import numpy as np
import pytest
import torch
from dcnv3_reference import (
    SETTINGS,
    Setting,
    dcnv3_loops_gradients,
    make_inputs,
)

from m3i_mm.ops import dcnv3
from m3i_mm.ops.deform_conv_v3 import triton_windows
from m3i_mm.ops.deform_conv_v3.geometry import Geometry
from m3i_mm.ops.deform_conv_v3.triton_windows import choose_windows

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cpu' if INTERPRETED else 'cuda'

pytestmark = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(),
    reason='needs a GPU or TRITON_INTERPRET=1',
)


@pytest.fixture
def narrow(monkeypatch):
    """Windows on small maps too, and as narrow as they may be."""
    monkeypatch.setattr(triton_windows, '_SMALL_MAP', 0)
    monkeypatch.setattr(triton_windows, '_FREEDOM', 0)


def gradient(arrays, grad_output, setting, dtype=torch.float32):
    """Return that of the input."""
    input, offset, mask, grad = (
        torch.tensor(array, dtype=dtype, device=DEVICE)
        for array in (*arrays, grad_output)
    )
    input.requires_grad_()
    output = dcnv3(input, offset, mask, *setting, backend='triton')
    return torch.autograd.grad(output, input, grad)[0]


def check(arrays, grad_output, setting, dtype=torch.float32, rtol=1e-5):
    result = gradient(arrays, grad_output, setting, dtype)
    assert result.dtype == dtype
    expected, _, _ = dcnv3_loops_gradients(*arrays, grad_output, setting)
    torch.testing.assert_close(
        result.double().cpu(),
        torch.from_numpy(expected),
        rtol=rtol,
        atol=10 * rtol,
    )


@pytest.mark.parametrize(
    'setting', [s for s in SETTINGS if s.kernel_size < 5], ids=str
)
def test_windows_and_what_is_far_make_the_whole(narrow, setting):
    *arrays, grad_output = make_inputs(
        setting, batch=1, size=(6, 9), group_channels=2
    )
    check(arrays, grad_output, setting)


@pytest.mark.parametrize('size', [(9, 2), (2, 25)])
@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_tiles_of_two_images_meet(narrow, dtype, size):
    setting = Setting(kernel_size=2, groups=2)
    input, offset, mask, grad_output = make_inputs(
        setting, size=size, group_channels=2
    )
    # exact in half precision, and never an integer location
    offset = np.floor(4 * offset.clip(-9, 9)) / 4 + 1 / 8
    arrays = [
        torch.tensor(array, dtype=dtype).double().numpy()
        for array in (input, offset, mask, grad_output)
    ]
    rtol = 1e-10 if dtype == torch.float64 else 2**-7
    check(arrays[:3], arrays[3], setting, dtype, rtol)


@pytest.mark.parametrize('group_channels', [1, 15, 40])
def test_groups_are_cut_into_blocks(group_channels):
    setting = Setting()
    *arrays, grad_output = make_inputs(
        setting, batch=1, size=(5, 3), group_channels=group_channels
    )
    check(arrays, grad_output, setting)


def test_a_sample_far_away_comes_back(narrow):
    """Every position samples the other end of the map."""
    setting = Setting(kernel_size=1, padding=0)
    height, width = 9, 20
    y, x = np.mgrid[:height, :width]
    offset = np.stack((width - 1 - 2 * x, height - 1 - 2 * y), axis=-1)[None]
    ones = np.ones((1, height, width, 1))
    grad_output = np.arange(height * width, dtype=float).reshape(ones.shape)
    for dtype in (torch.float32, torch.float16):
        result = gradient((ones, offset, ones), grad_output, setting, dtype)
        expected = torch.tensor(grad_output, dtype=dtype).flip(1, 2)
        assert torch.equal(result.cpu(), expected)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -1e30])
def test_points_nowhere_give_nothing(narrow, value):
    setting = Setting()
    *arrays, grad_output = make_inputs(setting, batch=1, size=(3, 9))
    arrays[1][0, 1, 2] = value
    offset = arrays[1].copy()
    offset[0, 1, 2] = 100
    expected = gradient((arrays[0], offset, arrays[2]), grad_output, setting)
    result = gradient(arrays, grad_output, setting)
    assert torch.equal(result, expected)


@pytest.mark.parametrize('is_small', [True, False])
def test_is_the_same_again_in_another_program(monkeypatch, is_small):
    if not is_small:
        monkeypatch.setattr(triton_windows, '_SMALL_MAP', 0)
    setting = Setting(kernel_size=2)
    *arrays, grad_output = make_inputs(setting, batch=1, size=(5, 9))
    arrays[1] = arrays[1].clip(-2, 2)  # inside of the windows
    twice = [np.concatenate((array, array)) for array in arrays]
    first, second = gradient(
        twice, np.tile(grad_output, (2, 1, 1, 1)), setting
    )
    assert torch.equal(first, second)


def test_deterministic_mode_visits_the_whole_map(monkeypatch):
    chosen = []

    def spy(*args, **options):
        chosen.append(choose_windows(*args, **options))
        return chosen[-1]

    monkeypatch.setattr(
        'm3i_mm.ops.deform_conv_v3.triton_gradients.choose_windows', spy
    )
    setting = Setting(kernel_size=1, padding=0)
    *arrays, grad_output = make_inputs(
        setting, batch=1, size=(17, 3), group_channels=1
    )
    torch.use_deterministic_algorithms(True)
    try:
        check(arrays, grad_output, setting)
    finally:
        torch.use_deterministic_algorithms(False)
    monkeypatch.setattr(triton_windows, '_SMALL_MAP', 0)
    check(arrays, grad_output, setting)
    assert [windows.whole for windows in chosen] == [True, False]
    assert chosen[0].height >= 17


def test_gathers_with_wide_indices(narrow, monkeypatch):
    monkeypatch.setattr('m3i_mm.ops.triton_launch._NARROW_INDEX_LIMIT', 0)
    setting = Setting(kernel_size=2, groups=2)
    *arrays, grad_output = make_inputs(setting, batch=1, size=(5, 9))
    check(arrays, grad_output, setting)


@pytest.mark.parametrize(
    ('setting', 'size', 'expected'),
    [
        # two chunks of 8 x 4 cover 7 x 7, seven of 16 x 2 cover 14 x 14
        (Setting(), (7, 7), (True, 0, 8, 1, 2)),
        (Setting(), (14, 14), (True, 0, 16, 1, 7)),
        # 8 x 4 pixels and four around them
        (Setting(), (56, 56), (False, 4, 16, 1, 6)),
        (Setting(offset_scale=2.0), (56, 56), (False, 5, 8, 3, 4)),
        (Setting(stride=2), (28, 28), (False, 4, 8, 1, 2)),
    ],
)
def test_windows_take_few_chunks(setting, size, expected):
    assert choose_windows(Geometry(*setting), *size) == expected
