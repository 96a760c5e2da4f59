"""The Triton kernels: on a GPU, or interpreted where TRITON_INTERPRET=1.

Without either these tests are skipped; ``test_triton_interpreted.py`` runs
them in a process of their own, because the variable must be set before Triton
is imported.
"""

import math
import os

import numpy as np
import pytest
import torch
from dcnv3_reference import (
    SETTINGS,
    Setting,
    dcnv3_loops,
    dcnv3_loops_gradients,
    make_inputs,
)

from m3i_mm.ops import Layout, dcnv3, triton_launch
from m3i_mm.ops.deform_conv_v3 import (
    triton_backend,
    triton_constants,
    triton_gradients,
)
from m3i_mm.ops.deform_conv_v3.geometry import Geometry
from m3i_mm.ops.deform_conv_v3.triton_constants import (
    row_grid,
    tile_constants,
)

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cpu' if INTERPRETED else 'cuda'

pytestmark = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(),
    reason='needs a GPU or TRITON_INTERPRET=1',
)


def tensors_of(arrays, dtype=torch.float64):
    return [
        torch.tensor(array, dtype=dtype, device=DEVICE, requires_grad=True)
        for array in arrays
    ]


def run(arrays, grad_output, setting, dtype=torch.float64, backend='triton'):
    """Return output and gradients."""
    inputs = tensors_of(arrays, dtype)
    output = dcnv3(*inputs, *setting, backend=backend)
    grad = torch.tensor(grad_output, dtype=dtype, device=DEVICE)
    return [output, *torch.autograd.grad(output, inputs, grad)]


def loops(arrays, grad_output, setting, side='right'):
    """Return output and gradients of the slow reference."""
    results = (
        dcnv3_loops(*arrays, setting),
        *dcnv3_loops_gradients(*arrays, grad_output, setting, side),
    )
    return [torch.from_numpy(result).to(DEVICE) for result in results]


def check(arrays, grad_output, setting, dtype=torch.float64, rtol=1e-10):
    results = run(arrays, grad_output, setting, dtype)
    for result, expected in zip(results, loops(arrays, grad_output, setting)):
        assert result.dtype == dtype
        torch.testing.assert_close(
            result.double(), expected, rtol=rtol, atol=10 * rtol
        )


@pytest.mark.parametrize('setting', SETTINGS, ids=str)
def test_equals_loops(setting):
    *arrays, grad_output = make_inputs(setting, size=(4, 6))
    check(arrays, grad_output, setting)


@pytest.mark.parametrize('group_channels', [1, 15, 30, 71])
def test_any_group_width(group_channels):
    setting = Setting(groups=2)
    *arrays, grad_output = make_inputs(
        setting, batch=1, size=(3, 4), group_channels=group_channels
    )
    check(arrays, grad_output, setting, torch.float32, rtol=1e-5)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_accumulated_in_float32(dtype):
    setting = Setting(groups=2, offset_scale=2.0)
    input, offset, mask, grad_output = make_inputs(setting, size=(4, 5))
    # exact in half precision, and never an integer location
    offset = np.floor(4 * offset) / 4 + 1 / 8
    arrays = [
        torch.tensor(array, dtype=dtype).double().numpy()
        for array in (input, offset, mask, grad_output)
    ]
    check(arrays[:3], arrays[3], setting, dtype, torch.finfo(dtype).eps)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_positions_in_tiles_give_the_same(monkeypatch, dtype):
    """Groups side by side in a program, or some of them, as in a line."""
    setting = Setting(kernel_size=1, padding=0, groups=12)
    *arrays, grad_output = make_inputs(
        setting, batch=2, size=(8, 16), group_channels=4
    )
    tiles, results = [], []
    for positions in (None, dict(TILE_LINES=0, TILE_COLUMNS=0)):
        for module in (triton_backend, triton_gradients):

            def spy(*args, positions=positions):
                tiles.append(positions or tile_constants(*args))
                return tiles[-1]

            monkeypatch.setattr(module, 'tile_constants', spy)
        input, offset, mask = tensors_of(arrays, dtype)
        output = dcnv3(
            input.detach(), offset, mask, *setting, backend='triton'
        )
        grad = torch.tensor(grad_output, dtype=dtype, device=DEVICE)
        grads = torch.autograd.grad(output, (offset, mask), grad)
        results.append([output, *grads])
    assert [tile['TILE_LINES'] > 1 for tile in tiles] == [True] * 2 + [
        False
    ] * 2
    assert all(map(torch.equal, *results))


@pytest.mark.parametrize(
    ('groups', 'size', 'rows', 'expected'),
    [
        (4, (56, 56), 128, (4, 8)),
        (8, (28, 28), 128, (4, 4)),
        (10, (56, 56), 64, (4, 8)),
        # four columns do not divide 14
        (16, (14, 14), 128, (0, 0)),
        (128, (8, 8), 128, (0, 0)),
    ],
)
def test_tiles_fill_the_map(groups, size, rows, expected):
    mask = torch.empty(1, *size, 9 * groups)
    geometry = Geometry(*Setting(groups=groups))
    tile = tile_constants(geometry, mask, rows)
    assert (tile['TILE_LINES'], tile['TILE_COLUMNS']) == expected


def test_a_grid_of_tiles_has_as_many_images_as_cuda_allows():
    geometry = Geometry(*Setting(groups=4))
    for batch, lines in ((65535, 2), (65536, 0)):
        output = torch.empty(batch, 4, 8, 32, device='meta')
        tile = tile_constants(geometry, output, 32)
        assert tile['TILE_LINES'] == lines
        grid = row_grid(geometry, output, 32, *tile.values())
        assert math.prod(grid) * 32 == batch * 4 * 8 * 4
        assert max(grid[1:], default=0) <= 65535


def test_integer_points_take_the_right_hand_derivative():
    setting = Setting(groups=2)
    input, offset, mask, grad_output = make_inputs(setting, size=(4, 5))
    arrays = input, np.zeros_like(offset), mask
    results = run(arrays, grad_output, setting)
    right = loops(arrays, grad_output, setting)
    left = loops(arrays, grad_output, setting, 'left')
    for index in (0, 1, 3):
        torch.testing.assert_close(results[index], right[index])
    # inner positions have no tap at exactly -1, where the derivative is zero
    inner = (slice(None), slice(1, None), slice(1, None))
    torch.testing.assert_close(results[2][inner], right[2][inner])
    assert not torch.allclose(results[2][inner], left[2][inner])


def test_points_at_exactly_minus_one_have_no_derivative():
    input = torch.ones(1, 2, 2, 1, device=DEVICE)
    offset = torch.full((1, 2, 2, 2), -1.0, device=DEVICE, requires_grad=True)
    mask = torch.ones(1, 2, 2, 1, device=DEVICE)
    output = dcnv3(input, offset, mask, 1, padding=0, backend='triton')
    (grad,) = torch.autograd.grad(output.sum(), offset)
    # every position samples its upper left neighbour, only the last has one,
    # in the middle of ones
    assert torch.equal(output.flatten().cpu(), torch.tensor([0.0, 0, 0, 1]))
    assert torch.equal(grad, torch.zeros_like(grad))


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 1e30, -1e30])
def test_points_nowhere_contribute_nothing(value):
    offset = torch.full((1, 2, 3, 18), value, device=DEVICE)
    ones = torch.ones(1, 2, 3, 9, device=DEVICE)
    output = dcnv3(ones, offset, ones, backend='triton')
    assert torch.equal(output, torch.zeros_like(output))


@pytest.mark.parametrize('group_channels', [2, 6, 15, 16])
@pytest.mark.parametrize('shift', [0, 1])
def test_bfloat16_pairs_equal_float32(group_channels, shift):
    """Packed or not, and where a view begins between two words."""
    setting = Setting(groups=2, remove_center=True)
    *arrays, _ = make_inputs(
        setting, size=(3, 5), group_channels=group_channels
    )
    views = []
    for tensor in tensors_of(arrays, torch.bfloat16):
        store = torch.empty(
            tensor.numel() + shift, dtype=torch.bfloat16, device=DEVICE
        )
        store[shift:] = tensor.detach().flatten()
        views.append(store[shift:].view(tensor.shape))
    output = dcnv3(*views, *setting, backend='triton')
    wide = [view.float().contiguous() for view in views]
    expected = dcnv3(*wide, *setting, backend='triton')
    assert output.dtype == torch.bfloat16
    # Triton's interpreter cuts to bfloat16 where a GPU rounds
    torch.testing.assert_close(output.float(), expected, rtol=2**-7, atol=1e-6)


def test_wide_indices_give_the_same(monkeypatch):
    setting = Setting(groups=2)
    *arrays, grad_output = make_inputs(setting, size=(4, 5))
    narrow = run(arrays, grad_output, setting)
    monkeypatch.setattr(triton_launch, '_NARROW_INDEX_LIMIT', 0)
    torch.testing.assert_close(run(arrays, grad_output, setting), narrow)


@pytest.mark.gpu
@pytest.mark.skipif(INTERPRETED, reason='needs 40 GB')
def test_more_elements_than_32_bits_count():
    input = torch.zeros(1, 2**14, 2**14, 16, dtype=torch.half, device=DEVICE)
    assert input.numel() > 2**31
    rows = torch.arange(2**14, dtype=torch.half, device=DEVICE)
    input += rows.view(-1, 1, 1)
    input.requires_grad_()
    points = torch.zeros(1, 2**8, 2**8, 2, device=DEVICE)
    ones = torch.ones(1, 2**8, 2**8, 1, device=DEVICE)
    output = dcnv3(
        input, points, ones, 1, stride=64, padding=0, backend='triton'
    )
    assert torch.equal(output, input[:, ::64, ::64])
    (grad,) = torch.autograd.grad(output.sum(), input)
    assert grad.sum(dtype=torch.float64) == output.numel()
    assert torch.all(grad[:, ::64, ::64] == 1)


def test_non_contiguous_inputs_and_gradient():
    setting = Setting(groups=2)
    *arrays, grad_output = make_inputs(setting, size=(4, 5))
    results = []
    for permute in (False, True):
        inputs = tensors_of(arrays)
        grad = torch.tensor(grad_output, device=DEVICE)
        views = inputs
        if permute:
            views, (grad,) = (
                [
                    tensor.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
                    for tensor in tensors
                ]
                for tensors in (inputs, [grad])
            )
        output = dcnv3(*views, *setting, backend='triton')
        results.append([output, *torch.autograd.grad(output, inputs, grad)])
    torch.testing.assert_close(*results)


def test_zero_size_input():
    input = torch.randn(0, 4, 4, 2, device=DEVICE, requires_grad=True)
    offset = torch.randn(0, 4, 4, 18, device=DEVICE)
    mask = torch.randn(0, 4, 4, 9, device=DEVICE)
    output = dcnv3(input, offset, mask, backend='triton')
    assert output.shape == (0, 4, 4, 2)
    output.sum().backward()


def test_is_a_well_behaved_operator():
    """Schema, fake implementation, autograd and tracing fit together."""
    setting = Setting(groups=2)
    *arrays, _ = make_inputs(setting, batch=1, size=(3, 3), group_channels=2)
    torch.library.opcheck(
        torch.ops.m3i_mm.dcnv3.default,
        (*tensors_of(arrays), *setting, *Layout(), False),
    )


def test_compiles_without_graph_break():
    torch._dynamo.reset()
    setting = Setting(groups=2, remove_center=True)
    compiled = torch.compile(
        lambda *inputs: dcnv3(*inputs, *setting, backend='triton'),
        backend='aot_eager' if INTERPRETED else 'inductor',
        fullgraph=True,
    )
    *arrays, grad_output = make_inputs(setting, size=(3, 4))
    inputs = tensors_of(arrays)
    output = compiled(*inputs)
    grad = torch.tensor(grad_output, device=DEVICE)
    grads = torch.autograd.grad(output, inputs, grad)
    torch.testing.assert_close(
        [output, *grads], run(arrays, grad_output, setting)
    )


def test_autocast_mixes_half_features_with_a_float32_mask():
    input = torch.randn(1, 3, 4, 4, device=DEVICE)
    layers = torch.nn.ModuleList(
        torch.nn.Linear(4, width) for width in (4, 36, 18)
    ).to(DEVICE)
    outputs = {}
    for backend in ('triton', 'torch'):
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            features, offset, mask = (layer(input) for layer in layers)
            mask = mask.float().unflatten(-1, (2, 9)).softmax(-1).flatten(-2)
            output = dcnv3(features, offset, mask, groups=2, backend=backend)
        assert output.dtype == torch.bfloat16
        grads = torch.autograd.grad(
            output.float().sum(), list(layers.parameters())
        )
        assert all(grad.dtype == torch.float32 for grad in grads)
        outputs[backend] = output
    torch.testing.assert_close(outputs['triton'], outputs['torch'])


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def add_atomically():
    """Sample, with a gradient of the input to come."""
    input = torch.randn(1, 3, 3, 2, device=DEVICE, requires_grad=True)
    offset = torch.randn(1, 3, 3, 18, device=DEVICE)
    mask = torch.randn(1, 3, 3, 9, device=DEVICE)
    return dcnv3(input, offset, mask, backend='triton_atomic').sum()


def test_atomic_additions_raise_in_deterministic_mode(deterministic):
    with pytest.raises(RuntimeError, match="'triton' and 'torch' have one"):
        add_atomically().backward()


def test_deterministic_mode_may_only_warn(deterministic):
    torch.use_deterministic_algorithms(True, warn_only=True)
    with pytest.warns(UserWarning, match="'triton' and 'torch' have one"):
        add_atomically().backward()


def kernels_run(monkeypatch):
    """Return a list to which every kernel's name will be appended."""
    names, original = [], triton_launch.launch

    def spy(kernel, *args, **constants):
        names.append(kernel.__name__)
        original(kernel, *args, **constants)

    monkeypatch.setattr(triton_gradients, 'launch', spy)
    return names


@pytest.mark.parametrize(
    ('wanted', 'kernels'),
    [
        ((0,), ['gather_kernel']),
        ((1,), ['points_kernel']),
        ((2,), ['points_kernel']),
        ((1, 2), ['points_kernel']),
        ((0, 2), ['points_kernel', 'gather_kernel']),
    ],
)
def test_only_the_gradients_asked_for_are_computed(
    monkeypatch, wanted, kernels
):
    setting = Setting(groups=2)
    *arrays, grad_output = make_inputs(setting, size=(3, 4))
    for backend in ('triton', 'triton_atomic'):
        expected = run(arrays, grad_output, setting, backend=backend)
        names = kernels_run(monkeypatch)
        inputs = tensors_of(arrays)
        for index, tensor in enumerate(inputs):
            tensor.requires_grad_(index in wanted)
        output = dcnv3(*inputs, *setting, backend=backend)
        output.backward(torch.tensor(grad_output, device=DEVICE))
        for index, tensor in enumerate(inputs):
            if index in wanted:
                torch.testing.assert_close(tensor.grad, expected[1 + index])
            else:
                assert tensor.grad is None
        if backend == 'triton':
            assert names == kernels


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -1e30])
@pytest.mark.parametrize('axis', [0, 1])
def test_points_nowhere_have_the_gradients_of_torch(value, axis):
    torch.manual_seed(0)
    input, offset, mask = (
        torch.randn(1, 2, 3, channels, device=DEVICE)
        for channels in (2, 18, 9)
    )
    offset[0, 0, 1, 8 + axis] = value
    results = []
    for backend in ('triton', 'torch'):
        inputs = [t.clone().requires_grad_() for t in (input, offset, mask)]
        output = dcnv3(*inputs, backend=backend)
        results.append([output, *torch.autograd.grad(output.sum(), inputs)])
    torch.testing.assert_close(*results, equal_nan=True)
    assert results[0][2].isnan().any() == (abs(value) != 1e30)


def test_forward_mode_differentiation_is_refused():
    tensors = tuple(
        torch.randn(1, 2, 3, channels, device=DEVICE)
        for channels in (2, 18, 9)
    )
    with pytest.raises(RuntimeError, match='jvp'):
        torch.func.jvp(
            lambda *inputs: dcnv3(*inputs, backend='triton'), tensors, tensors
        )


def test_functional_gradients():
    input, *points = (
        torch.randn(1, 2, 3, channels, device=DEVICE)
        for channels in (2, 18, 9)
    )

    def total(input):
        return dcnv3(input, *points, backend='triton').sum()

    grad = torch.func.grad(total)(input)
    (expected,) = torch.autograd.grad(total(input.requires_grad_()), input)
    torch.testing.assert_close(grad, expected)


def test_launch_errors_reach_the_caller(monkeypatch):
    class Broken:
        def __getitem__(self, grid):
            return self

        def __call__(self, *tensors, **constants):
            raise RuntimeError('out of resource: shared memory')

    monkeypatch.setattr(
        triton_constants.import_kernels(), 'forward_kernel', Broken()
    )
    with pytest.raises(RuntimeError, match='out of resource'):
        dcnv3(
            torch.randn(1, 3, 3, 2, device=DEVICE),
            torch.randn(1, 3, 3, 18, device=DEVICE),
            torch.randn(1, 3, 3, 9, device=DEVICE),
            backend='triton',
        )
