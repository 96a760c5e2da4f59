"""DCNv3: the torch backend against loops and the official fixture."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from dcnv3_reference import (
    SETTINGS,
    Setting,
    dcnv3_loops,
    dcnv3_loops_gradients,
    make_inputs,
)
from toy.versions import ONE_GRAPH

from m3i_mm.ops import dcnv3
from m3i_mm.ops.deform_conv_v3 import grid_sample, rows, torch_backend

pytestmark = pytest.mark.openmmlab

DATA = Path(__file__).parents[1] / 'data'


def tensors_of(arrays, dtype=torch.float64):
    return [torch.tensor(a, dtype=dtype, requires_grad=True) for a in arrays]


@pytest.fixture(scope='module')
def fixture_cases():
    data = np.load(DATA / 'dcnv3_core.npz')
    cases = []
    for i in range(6):
        case = {
            name: torch.from_numpy(data[f'{i}/{name}'])
            for name in ('input', 'offset', 'mask', 'output', 'grad_output')
        }
        case['gradients'] = [
            torch.from_numpy(data[f'{i}/grad_{name}'])
            for name in ('input', 'offset', 'mask')
        ]
        kernel, stride, padding, dilation, groups, _, remove = data[
            f'{i}/meta'
        ].tolist()
        case['setting'] = Setting(
            kernel,
            stride,
            padding,
            dilation,
            groups,
            data[f'{i}/offset_scale'].item(),
            bool(remove),
        )
        cases.append(case)
    return cases


@pytest.mark.parametrize('index', range(6))
def test_equals_official_outputs_and_gradients(fixture_cases, index):
    case = fixture_cases[index]
    inputs = [
        case[name].requires_grad_() for name in ('input', 'offset', 'mask')
    ]
    output = dcnv3(*inputs, *case['setting'])
    torch.testing.assert_close(output, case['output'], rtol=1e-5, atol=1e-5)
    grads = torch.autograd.grad(output, inputs, case['grad_output'])
    for grad, expected in zip(grads, case['gradients']):
        torch.testing.assert_close(grad, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize('backend', ['torch', 'gather'])
@pytest.mark.parametrize('setting', SETTINGS, ids=str)
def test_equals_loops(setting, backend):
    *arrays, grad_output = make_inputs(setting)
    inputs = tensors_of(arrays)
    output = dcnv3(*inputs, *setting, backend=backend)
    expected = torch.from_numpy(dcnv3_loops(*arrays, setting))
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-10)
    grads = torch.autograd.grad(output, inputs, torch.from_numpy(grad_output))
    loops = dcnv3_loops_gradients(*arrays, grad_output, setting)
    for grad, expected in zip(grads, loops):
        torch.testing.assert_close(
            grad, torch.from_numpy(expected), rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize('group_channels', [1, 15, 30, 71])
def test_any_group_width(group_channels):
    setting = Setting(groups=2)
    *arrays, _ = make_inputs(
        setting, batch=1, size=(3, 4), group_channels=group_channels
    )
    output = dcnv3(*tensors_of(arrays, torch.float32), *setting)
    expected = torch.from_numpy(dcnv3_loops(*arrays, setting)).float()
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)


def test_gradcheck():
    setting = Setting(groups=2, offset_scale=0.5)
    *arrays, _ = make_inputs(setting, batch=1, size=(3, 4), group_channels=2)
    assert torch.autograd.gradcheck(
        lambda *inputs: dcnv3(*inputs, *setting), tensors_of(arrays)
    )


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Take the gradient of ``grid_sample``."""
    monkeypatch.setattr(torch_backend, '_adds_atomically', lambda device: True)


def test_blocks_of_any_size_give_the_same(monkeypatch):
    setting = Setting(groups=3)
    *arrays, grad_output = make_inputs(setting, batch=3)
    grad_output = torch.from_numpy(grad_output)
    points = grad_output[0, :, :, 0].numel() * 9
    results = []
    # everything at once, two images, two groups, and the smallest blocks
    for limit in (10**9, 6 * points, 2 * points, 1):
        monkeypatch.setitem(torch_backend._BLOCK_POINTS, 'cpu', limit)
        inputs = tensors_of(arrays)
        output = dcnv3(*inputs, *setting)
        grads = torch.autograd.grad(output, inputs, grad_output)
        results.append([output, *grads])
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=0, atol=1e-14)


def test_does_not_keep_what_it_sampled():
    setting = Setting(groups=2)
    *arrays, _ = make_inputs(setting)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: saved.append(tensor.numel()), lambda _: None
    ):
        dcnv3(*tensors_of(arrays), *setting)
    assert sum(saved) == sum(array.size for array in arrays)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_only_at_the_ends(dtype):
    setting = Setting(groups=2, offset_scale=2.0)
    input, offset, mask, grad_output = make_inputs(setting)
    # exact in half precision, and never an integer location
    offset = np.floor(4 * offset) / 4 + 1 / 8
    inputs = tensors_of((input, offset, mask), dtype)
    output = dcnv3(*inputs, *setting)
    assert output.dtype == dtype
    rounded = [tensor.detach().double().numpy() for tensor in inputs]
    eps = torch.finfo(dtype).eps
    expected = torch.from_numpy(dcnv3_loops(*rounded, setting))
    torch.testing.assert_close(output.double(), expected, rtol=eps, atol=1e-5)
    grad = torch.tensor(grad_output, dtype=dtype)
    grads = torch.autograd.grad(output, inputs, grad)
    loops = dcnv3_loops_gradients(*rounded, grad.double().numpy(), setting)
    for grad, expected in zip(grads, loops):
        assert grad.dtype == dtype
        torch.testing.assert_close(
            grad.double(), torch.from_numpy(expected), rtol=eps, atol=1e-4
        )


@pytest.mark.parametrize(
    ('features', 'modulation'),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float64)],
)
def test_mask_may_be_more_precise_than_the_features(features, modulation):
    setting = Setting(groups=2)
    arrays = make_inputs(setting)[:3]
    input, offset, mask = tensors_of(arrays, modulation)
    output = dcnv3(input.to(features), offset.to(features), mask, *setting)
    assert output.dtype == features
    output.sum().backward()
    assert mask.grad.dtype == modulation


def integer_points():
    """Return the gradient of the offset, and both one-sided derivatives."""
    setting = Setting(groups=2)
    input, offset, mask, grad_output = make_inputs(setting, size=(6, 7))
    arrays = input, np.zeros_like(offset), mask
    inputs = tensors_of(arrays, torch.float32)
    output = dcnv3(*inputs, *setting)
    grads = torch.autograd.grad(
        output, inputs, torch.from_numpy(grad_output).float()
    )
    right, left = (
        dcnv3_loops_gradients(*arrays, grad_output, setting, side)
        for side in ('right', 'left')
    )
    for index in (0, 2):
        np.testing.assert_allclose(grads[index], right[index], atol=1e-4)
    return grads[1].numpy(), right[1], left[1]


def test_integer_points_take_the_right_hand_derivative():
    grad, right, left = integer_points()
    # inner positions have no tap at exactly -1, where the derivative is zero
    inner = (slice(None), slice(1, None), slice(1, None))
    np.testing.assert_allclose(grad[inner], right[inner], atol=1e-4)
    assert not np.allclose(grad[inner], left[inner], atol=1e-2)


def test_integer_points_of_grid_sample_take_either(as_on_a_gpu):
    """Rounding of normalised coordinates decides between them."""
    grad, right, left = integer_points()
    distance = np.minimum(np.abs(grad - right), np.abs(grad - left))
    assert distance.max() < 1e-4


def test_points_at_exactly_minus_one_have_no_derivative():
    ones = torch.ones(1, 2, 2, 1)
    offset = torch.full((1, 2, 2, 2), -1.0, requires_grad=True)
    output = dcnv3(ones, offset, ones, 1, padding=0)
    (grad,) = torch.autograd.grad(output.sum(), offset)
    assert torch.equal(grad, torch.zeros_like(grad))


@pytest.mark.parametrize('value', [float('nan'), float('-inf'), 1e30])
@pytest.mark.parametrize('axis', [0, 1])
def test_points_nowhere_contribute_nothing(monkeypatch, value, axis):
    inputs = [tensor.requires_grad_() for tensor in random_inputs(2, 3, 4)]
    with torch.no_grad():
        inputs[1][:, 0, 1, 8 + axis] = value
    results = []
    for atomic in (False, True):
        monkeypatch.setattr(
            torch_backend, '_adds_atomically', lambda _, atomic=atomic: atomic
        )
        output = dcnv3(*inputs, groups=2)
        grads = torch.autograd.grad(output.sum(), inputs)
        results.append([output, *grads])
    torch.testing.assert_close(*results, equal_nan=True)
    finite = [not tensor.isnan().any() for tensor in results[0]]
    assert finite == [True, True, value == 1e30, value == 1e30]


def test_same_bits_every_time():
    setting = Setting(groups=2)
    *arrays, grad_output = make_inputs(setting)
    runs = []
    for _ in range(2):
        inputs = tensors_of(arrays, torch.float32)
        output = dcnv3(*inputs, *setting)
        grad = torch.from_numpy(grad_output).float()
        runs.append([output, *torch.autograd.grad(output, inputs, grad)])
    assert all(torch.equal(a, b) for a, b in zip(*runs))


@pytest.mark.parametrize('limit', [1, 2**25])
@pytest.mark.parametrize('setting', SETTINGS, ids=str)
def test_gradients_of_grid_sample_equal_loops(
    monkeypatch, as_on_a_gpu, setting, limit
):
    monkeypatch.setattr(grid_sample, '_BLOCK_VALUES', limit)
    *arrays, grad_output = make_inputs(setting)
    inputs = tensors_of(arrays)
    output = dcnv3(*inputs, *setting)
    grads = torch.autograd.grad(output, inputs, torch.from_numpy(grad_output))
    loops = dcnv3_loops_gradients(*arrays, grad_output, setting)
    for grad, expected in zip(grads, loops):
        torch.testing.assert_close(
            grad, torch.from_numpy(expected), rtol=1e-10, atol=1e-10
        )


def test_deterministic_mode_matters_on_a_gpu_only():
    torch.use_deterministic_algorithms(True)
    try:
        for device in ('cpu', 'cuda'):
            assert not torch_backend._adds_atomically(torch.device(device))
    finally:
        torch.use_deterministic_algorithms(False)
    for device in ('cpu', 'cuda'):
        atomic = torch_backend._adds_atomically(torch.device(device))
        assert atomic == (device == 'cuda')


def test_dot_products_of_a_gpu_and_a_cpu_are_the_same():
    grad, table = torch.randn(2, 6, 5, dtype=torch.float64)
    index = torch.randint(6, (6, 3), dtype=torch.int32)
    (product,) = rows._sparse_products(grad, [table], index)
    torch.testing.assert_close(
        product, rows._gathered_products(grad, table, index)
    )


def test_forward_mode_differentiation_is_refused():
    inputs = random_inputs(1, 3, 4)
    with pytest.raises(RuntimeError, match='autograd.Function'):
        torch.func.jvp(Operator(), tuple(inputs), tuple(inputs))
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(x, torch.ones_like(x)) for x in inputs]
        with pytest.raises(NotImplementedError, match='forward mode AD'):
            Operator()(*duals)


def test_second_derivatives_are_refused():
    inputs = [tensor.requires_grad_() for tensor in random_inputs(1, 3, 4)]
    grad_output = torch.ones(1, 3, 4, 6, requires_grad=True)
    (grad,) = torch.autograd.grad(
        Operator()(*inputs), inputs[:1], grad_output, create_graph=True
    )
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.sum().backward()


def test_non_contiguous_inputs():
    setting = Setting(groups=2)
    *arrays, _ = make_inputs(setting)
    tensors = [torch.from_numpy(array) for array in arrays]
    # the layout of an NCHW map that was permuted
    views = [
        tensor.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
        for tensor in tensors
    ]
    assert not any(view.is_contiguous() for view in views)
    assert torch.equal(dcnv3(*views, *setting), dcnv3(*tensors, *setting))


@pytest.mark.parametrize(
    'shape', [(0, 5, 6, 4), (2, 0, 6, 4), (2, 5, 0, 4), (2, 5, 6, 0)]
)
def test_zero_size_inputs(shape):
    batch, height, width, _ = shape
    inputs = [
        torch.randn(*size, requires_grad=True)
        for size in (
            shape,
            (batch, height, width, 36),
            (batch, height, width, 18),
        )
    ]
    output = dcnv3(*inputs, groups=2)
    assert output.shape == shape
    output.sum().backward()
    assert all(torch.all(tensor.grad == 0) for tensor in inputs)


def test_input_without_pixels_but_with_padding_gives_zeros():
    input = torch.randn(1, 0, 4, 2, requires_grad=True)
    output = dcnv3(
        input, torch.randn(1, 2, 6, 18), torch.randn(1, 2, 6, 9), padding=2
    )
    assert output.shape == (1, 2, 6, 2)
    assert torch.all(output == 0)


def test_kernel_with_nothing_but_a_removed_center():
    input = torch.randn(1, 3, 3, 2)
    empty = torch.randn(1, 3, 3, 0)
    output = dcnv3(
        input, empty, empty, 1, padding=0, groups=2, remove_center=True
    )
    assert torch.equal(output, torch.zeros_like(input))


@ONE_GRAPH
def test_compiles_without_graph_break():
    torch._dynamo.reset()
    setting = Setting(groups=2, offset_scale=2.0)
    compiled = torch.compile(
        lambda *inputs: dcnv3(*inputs, *setting),
        backend='aot_eager',
        fullgraph=True,
        dynamic=True,
    )
    for size in ((5, 7), (6, 9)):
        *arrays, grad_output = make_inputs(setting, size=size)
        inputs = tensors_of(arrays)
        outputs = compiled(*inputs), dcnv3(*inputs, *setting)
        torch.testing.assert_close(*outputs)
        grad_output = torch.from_numpy(grad_output)
        torch.testing.assert_close(
            *(torch.autograd.grad(o, inputs, grad_output) for o in outputs)
        )


class Operator(torch.nn.Module):
    def forward(self, input, offset, mask):
        return dcnv3(input, offset, mask, groups=2, offset_scale=2.0)


@pytest.fixture
def dynamic_sizes():
    batch, height, width = (
        torch.export.Dim(name, min=2, max=64) for name in 'nhw'
    )
    return ({0: batch, 1: height, 2: width},) * 3


def random_inputs(batch, height, width):
    return [
        torch.randn(batch, height, width, channels) for channels in (6, 36, 18)
    ]


def test_exports_with_dynamic_sizes(dynamic_sizes):
    program = torch.export.export(
        Operator(),
        tuple(random_inputs(2, 5, 7)),
        dynamic_shapes=dynamic_sizes,
    )
    inputs = random_inputs(3, 8, 4)
    torch.testing.assert_close(program.module()(*inputs), Operator()(*inputs))


def test_exports_to_onnx_with_dynamic_sizes(dynamic_sizes, tmp_path):
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    torch.onnx.export(
        Operator(),
        tuple(random_inputs(2, 5, 7)),
        tmp_path / 'dcnv3.onnx',
        dynamic_shapes=dynamic_sizes,
        dynamo=True,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(tmp_path / 'dcnv3.onnx')
    names = [argument.name for argument in session.get_inputs()]
    for size in ((2, 5, 7), (3, 8, 4)):
        inputs = random_inputs(*size)
        (output,) = session.run(
            None, {n: t.numpy() for n, t in zip(names, inputs)}
        )
        np.testing.assert_allclose(output, Operator()(*inputs), atol=1e-4)
