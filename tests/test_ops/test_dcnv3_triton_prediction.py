"""DCNv3 from one prediction by the kernels: softmax, gate and columns in them.

Where it runs, see ``test_dcnv3_triton.py``.
"""

import math
import os

import pytest
import torch
from dcnv3_reference import (
    Setting,
    columns_of,
    make_prediction,
    prediction_loops,
)

from m3i_mm.ops import Layout, dcnv3_from_prediction, triton_launch
from m3i_mm.ops.deform_conv_v3 import (
    triton_backend,
    triton_gradients,
    triton_windows,
)
from m3i_mm.ops.deform_conv_v3.triton_constants import tile_constants

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cpu' if INTERPRETED else 'cuda'
SOFTMAX = Layout(softmax=True)
GATED = Layout(softmax=True, gate=True)

pytestmark = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(),
    reason='needs a GPU or TRITON_INTERPRET=1',
)


def run(arrays, setting, layout, dtype=torch.float64, backend='triton'):
    """Return output, and gradients of input and prediction."""
    input, prediction, grad_output = (
        torch.tensor(array, dtype=dtype, device=DEVICE) for array in arrays
    )
    inputs = input.requires_grad_(), prediction.requires_grad_()
    output = dcnv3_from_prediction(*inputs, layout, *setting, backend=backend)
    return [output, *torch.autograd.grad(output, inputs, grad_output)]


def check(
    arrays, setting, layout, dtype=torch.float64, rtol=1e-10, backend='triton'
):
    arrays = [
        torch.tensor(array, dtype=dtype).double().numpy() for array in arrays
    ]
    results = run(arrays, setting, layout, dtype, backend)
    expected = prediction_loops(*arrays, setting, layout)
    for result, loops in zip(results, expected, strict=True):
        assert result.dtype == dtype
        torch.testing.assert_close(
            result.double().cpu(),
            torch.from_numpy(loops),
            rtol=rtol,
            atol=10 * rtol,
        )
    return results


@pytest.mark.parametrize(
    ('setting', 'layout'),
    [
        (Setting(groups=2), SOFTMAX),
        (Setting(dilation=2, padding=2, remove_center=True), SOFTMAX),
        (Setting(kernel_size=2, groups=2, stride=2), SOFTMAX),
        (Setting(groups=2, stride=2, offset_scale=2.0), GATED),
        (Setting(groups=2, remove_center=True), GATED),
        (Setting(groups=2), Layout(gate=True)),
        (Setting(groups=3), Layout(by_group=True)),
        (Setting(groups=2), GATED._replace(by_group=True)),
    ],
    ids=str,
)
@pytest.mark.parametrize('backend', ['triton', 'triton_atomic'])
def test_equals_loops(setting, layout, backend):
    arrays = make_prediction(setting, layout, batch=1, size=(3, 5))
    *_, grad = check(arrays, setting, layout, backend=backend)
    width = columns_of(setting, layout)[3]
    assert torch.all(grad[..., width:] == 0)


@pytest.fixture
def narrow(monkeypatch):
    """Windows on small maps too, and as narrow as they may be."""
    monkeypatch.setattr(triton_windows, '_SMALL_MAP', 0)
    monkeypatch.setattr(triton_windows, '_FREEDOM', 0)


@pytest.mark.parametrize('setting', [Setting(), Setting(stride=2)], ids=str)
def test_windows_and_what_is_far_make_the_whole(narrow, setting):
    arrays = make_prediction(
        setting, GATED, batch=1, size=(6, 10), group_channels=2
    )
    check(arrays, setting, GATED, torch.float32, rtol=1e-5)


@pytest.mark.parametrize(
    ('dtype', 'group_channels', 'padding'),
    [
        (torch.float16, 16, 0),
        (torch.bfloat16, 16, 0),
        (torch.bfloat16, 6, 1),
        (torch.bfloat16, 3, 0),
    ],
)
@pytest.mark.parametrize('by_group', [False, True])
def test_half_precision(narrow, dtype, group_channels, padding, by_group):
    """Two bfloat16 to a word where columns are aligned, or one by one."""
    layout = GATED._replace(by_group=by_group)
    setting = Setting(groups=2)
    input, prediction, grad_output = make_prediction(
        setting,
        layout,
        padding,
        batch=1,
        size=(3, 9),
        group_channels=group_channels,
    )
    offsets, *_ = columns_of(setting, layout)
    # exact in half precision, and never an integer location
    prediction[..., offsets] = (4 * prediction[..., offsets]).round() / 4 + 0.1
    # Triton's interpreter cuts to bfloat16 where a GPU rounds
    check((input, prediction, grad_output), setting, layout, dtype, rtol=2**-6)


def test_positions_in_tiles_give_the_same(monkeypatch):
    setting = Setting(kernel_size=1, padding=0, groups=4)
    arrays = make_prediction(
        setting, GATED, batch=1, size=(4, 16), group_channels=16
    )
    tiles, results = [], []
    for positions in (None, dict(TILE_LINES=0, TILE_COLUMNS=0)):
        for module in (triton_backend, triton_gradients):

            def spy(*args, positions=positions):
                tiles.append(positions or tile_constants(*args))
                return tiles[-1]

            monkeypatch.setattr(module, 'tile_constants', spy)
        results.append(run(arrays, setting, GATED, torch.bfloat16))
    assert [bool(tile['TILE_LINES']) for tile in tiles] == [
        *(True, True),
        *(False, False),
    ]
    assert all(map(torch.equal, *results))


def test_wide_indices_give_the_same(narrow, monkeypatch):
    setting = Setting(groups=2)
    arrays = make_prediction(setting, GATED, batch=1, size=(4, 5))
    expected = run(arrays, setting, GATED)
    monkeypatch.setattr(triton_launch, '_NARROW_INDEX_LIMIT', 0)
    torch.testing.assert_close(run(arrays, setting, GATED), expected)


@pytest.mark.parametrize('logit', [-3e4, 3e4])
def test_large_logits_do_not_overflow(logit):
    setting = Setting(groups=1)
    input, prediction, grad_output = make_prediction(
        setting, GATED, 0, batch=1, size=(2, 3)
    )
    _, masks, gates, _ = columns_of(setting, GATED)
    prediction[..., masks[0]] = logit
    prediction[..., gates] = -logit
    arrays = input, prediction, grad_output
    results = run(arrays, setting, GATED, torch.float32)
    expected = run(arrays, setting, GATED, torch.float32, 'torch')
    torch.testing.assert_close(results, expected)


@pytest.mark.parametrize('logit', [float('nan'), -math.inf, math.inf])
def test_logits_that_are_not_finite(logit):
    setting = Setting(groups=1)
    input, prediction, grad_output = make_prediction(
        setting, SOFTMAX, 0, batch=1, size=(2, 3)
    )
    _, masks, *_ = columns_of(setting, SOFTMAX)
    prediction[0, 0, 1, masks[4]] = logit
    prediction[0, 1, 1, masks] = logit
    arrays = input, prediction, grad_output
    output, *_ = run(arrays, setting, SOFTMAX, torch.float32)
    expected, *_ = run(arrays, setting, SOFTMAX, torch.float32, 'torch')
    assert expected[0, 1, 1].isnan().all()
    torch.testing.assert_close(output, expected, equal_nan=True)


def test_a_point_nowhere_has_a_gradient_that_shows_it():
    setting = Setting()
    arrays = make_prediction(setting, SOFTMAX, 0, batch=1, size=(2, 3))
    arrays[1][0, 0, 1, 4] = float('nan')
    output, of_input, of_prediction = run(arrays, setting, SOFTMAX)
    assert output.isfinite().all()
    assert of_input.isfinite().all()
    assert of_prediction[0, 0, 1].isnan().any()
    assert of_prediction[0, 1].isfinite().all()


@pytest.mark.parametrize(
    ('wanted', 'kernels'),
    [((0,), ['gather_kernel']), ((1,), ['points_kernel'])],
)
def test_only_the_gradients_asked_for_are_computed(
    monkeypatch, wanted, kernels
):
    setting = Setting()
    arrays = make_prediction(setting, GATED, batch=1, size=(2, 3))
    for backend in ('triton', 'triton_atomic'):
        expected = run(arrays, setting, GATED, backend=backend)
        names = []

        def spy(kernel, *args, names=names, **constants):
            names.append(kernel.__name__)
            triton_launch.launch(kernel, *args, **constants)

        monkeypatch.setattr(triton_gradients, 'launch', spy)
        inputs = [torch.tensor(a, device=DEVICE) for a in arrays[:2]]
        for index in wanted:
            inputs[index].requires_grad_()
        output = dcnv3_from_prediction(
            *inputs, GATED, *setting, backend=backend
        )
        output.backward(torch.tensor(arrays[2], device=DEVICE))
        for index, tensor in enumerate(inputs):
            if index in wanted:
                torch.testing.assert_close(tensor.grad, expected[1 + index])
            else:
                assert tensor.grad is None
        if backend == 'triton':
            assert names == kernels


def tensors_of(arrays):
    return [
        torch.tensor(array, device=DEVICE, requires_grad=True)
        for array in arrays
    ]


def test_is_a_well_behaved_operator():
    """Schema, fake implementation, autograd and tracing fit together."""
    setting = Setting(groups=2)
    arrays = make_prediction(
        setting, GATED, batch=1, size=(3, 3), group_channels=2
    )
    torch.library.opcheck(
        torch.ops.m3i_mm.dcnv3.default,
        (*tensors_of(arrays[:2]), None, *setting, *GATED, False),
    )


def test_compiles_without_graph_break():
    torch._dynamo.reset()
    setting = Setting(groups=2)
    compiled = torch.compile(
        lambda *inputs: dcnv3_from_prediction(
            *inputs, GATED, *setting, backend='triton'
        ),
        backend='aot_eager' if INTERPRETED else 'inductor',
        fullgraph=True,
    )
    arrays = make_prediction(setting, GATED, batch=1, size=(3, 4))
    inputs = tensors_of(arrays[:2])
    output = compiled(*inputs)
    grad = torch.tensor(arrays[2], device=DEVICE)
    grads = torch.autograd.grad(output, inputs, grad)
    torch.testing.assert_close([output, *grads], run(arrays, setting, GATED))


def test_functional_gradients():
    setting = Setting()
    arrays = make_prediction(setting, GATED, batch=1, size=(2, 3))
    inputs = tensors_of(arrays[:2])

    def total(*inputs):
        return dcnv3_from_prediction(
            *inputs, GATED, *setting, backend='triton'
        ).sum()

    grads = torch.func.grad(total, argnums=(0, 1))(
        *(tensor.detach() for tensor in inputs)
    )
    expected = torch.autograd.grad(total(*inputs), inputs)
    torch.testing.assert_close(grads, expected)
