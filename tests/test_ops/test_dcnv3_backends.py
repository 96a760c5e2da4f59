"""DCNv3: choice of the backend, bindings of others' kernels, bad input."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest
import torch
from dcnv3_reference import SETTINGS, Setting, dcnv3_loops, make_inputs
from mmcv.ops.multi_scale_deform_attn import (
    multi_scale_deformable_attn_pytorch,
)

from m3i_mm.ops import dcnv3
from m3i_mm.ops.deform_conv_v3 import (
    available_backends,
    backends,
    mmcv_backend,
    official_backend,
    torch_backend,
)
from m3i_mm.ops.deform_conv_v3.geometry import Geometry

pytestmark = pytest.mark.openmmlab


def inputs(batch=1, height=4, width=5, channels=4, groups=2, taps=9):
    return [
        torch.randn(batch, height, width, size)
        for size in (channels, groups * taps * 2, groups * taps)
    ]


# --- bad input ---------------------------------------------------------------


@pytest.mark.parametrize(
    ('change', 'options', 'error', 'message'),
    [
        ({'channels': 5}, {}, ValueError, '5 channels .* groups=2'),
        ({}, {'groups': 4}, ValueError, r'offset .* \(1, 4, 5, 72\)'),
        ({'taps': 8}, {}, ValueError, r'offset .* 9 taps \* 2\).*32\)'),
        (
            {'taps': 4},
            {'kernel_size': 2, 'remove_center': True},
            ValueError,
            'remove_center needs an odd kernel_size.*got 2',
        ),
        ({}, {'stride': 2}, ValueError, r'offset .* \(1, 2, 3, 36\)'),
        ({}, {'padding': 0}, ValueError, r'offset .* \(1, 2, 3, 36\)'),
        (
            {},
            {'padding': -1},
            ValueError,
            'padding must be at least 0, got -1',
        ),
        ({}, {'stride': 0}, ValueError, 'stride must be at least 1, got 0'),
        ({}, {'kernel_size': 0}, ValueError, 'kernel_size must be at least 1'),
        ({}, {'dilation': 0}, ValueError, 'dilation must be at least 1'),
        ({}, {'groups': 0}, ValueError, 'groups must be at least 1'),
        ({}, {'stride': (1, 2)}, TypeError, r'stride .* one int .* \(1, 2\)'),
        ({}, {'dilation': 5}, ValueError, '4x5 is smaller than the kernel'),
    ],
)
def test_says_what_does_not_fit(change, options, error, message):
    options = {'groups': 2, **options}
    with pytest.raises(error, match=message):
        dcnv3(*inputs(**change), **options)


def test_says_when_only_the_mask_does_not_fit():
    input, offset, mask = inputs()
    with pytest.raises(ValueError, match=r'mask .* \(1, 4, 5, 18\).* 17\)'):
        dcnv3(input, offset, mask[..., 1:], groups=2)


def test_says_which_tensor_has_another_rank():
    input, offset, mask = inputs()
    with pytest.raises(ValueError, match='input must have 4 dimensions'):
        dcnv3(input[0], offset, mask, groups=2)


def test_says_which_tensor_is_not_of_floating_point():
    input, offset, mask = inputs()
    with pytest.raises(TypeError, match=r'mask .* got torch\.int64'):
        dcnv3(input, offset, mask.long(), groups=2)


def test_says_which_tensor_is_on_another_device():
    input, offset, mask = inputs()
    with pytest.raises(RuntimeError, match='offset is on meta, .* on cpu'):
        dcnv3(input, offset.to('meta'), mask, groups=2)


@pytest.mark.parametrize('backend', ['triton', 'mmcv', 'official'])
def test_gpu_backends_refuse_cpu_tensors(backend):
    message = f"'{backend}' cannot run: .*needs? a GPU, .* on cpu"
    with pytest.raises(RuntimeError, match=message):
        dcnv3(*inputs(), groups=2, backend=backend)


# --- choice ------------------------------------------------------------------


def test_unknown_backend_lists_the_known_ones():
    with pytest.raises(ValueError, match='auto, triton, official, mmcv, tri'):
        dcnv3(*inputs(), groups=2, backend='cuda')


def test_auto_says_once_what_it_chose(monkeypatch):
    said = []
    monkeypatch.setattr(backends, '_announced', set())
    monkeypatch.setattr(
        backends, 'print_log', lambda text, logger: said.append(text)
    )
    for _ in range(2):
        dcnv3(*inputs(), groups=2)
    assert said == ['dcnv3: using the torch backend on cpu']


def test_auto_prefers_triton_then_compiled_ones(monkeypatch):
    order = []
    names = [
        *('triton', 'official', 'mmcv'),
        *('triton_atomic', 'torch', 'gather'),
    ]
    for name in names:
        monkeypatch.setattr(
            backends.BACKENDS[name], 'unavailable_reason', lambda device: None
        )
    while available_backends('cuda'):
        name = backends.select_backend('auto', 'cuda')
        order.append(name)
        monkeypatch.setattr(
            backends.BACKENDS[name], 'unavailable_reason', lambda device: 'no'
        )
    assert order == names


@pytest.mark.parametrize('has_triton', [True, False])
def test_auto_is_deterministic_when_asked(monkeypatch, has_triton):
    reason = None if has_triton else 'no'
    for name, reason in (('triton', reason), ('official', None)):
        monkeypatch.setattr(
            backends.BACKENDS[name],
            'unavailable_reason',
            lambda device, reason=reason: reason,
        )
    fastest = 'triton' if has_triton else 'official'
    assert backends.select_backend('auto', 'cuda') == fastest
    deterministic = 'triton' if has_triton else 'torch'
    torch.use_deterministic_algorithms(True)
    try:
        assert backends.select_backend('auto', 'cuda') == deterministic
        torch.use_deterministic_algorithms(True, warn_only=True)
        assert backends.select_backend('auto', 'cuda') == fastest
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_backend_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'DCNv3', None)
    monkeypatch.setattr(official_backend, 'find_spec', lambda name: None)
    with pytest.raises(RuntimeError, match='extension DCNv3 .* not install'):
        backends.select_backend('official', 'cuda')
    monkeypatch.setattr(mmcv_backend, 'has_compiled_mmcv', lambda: False)
    with pytest.raises(RuntimeError, match='no MMCV with compiled ops'):
        backends.select_backend('mmcv', 'cuda')


# --- mmcv --------------------------------------------------------------------


@pytest.mark.parametrize('setting', SETTINGS, ids=str)
def test_attention_arguments_mean_the_same(setting):
    *arrays, _ = make_inputs(setting)
    value, shapes, start, locations, weights = (
        mmcv_backend.attention_arguments(
            *map(torch.from_numpy, arrays), Geometry(*setting)
        )
    )
    assert locations.dtype == torch.float32
    assert start.tolist() == [0]
    output = multi_scale_deformable_attn_pytorch(
        value, shapes, locations, weights
    )
    expected = dcnv3_loops(*arrays, setting)
    np.testing.assert_allclose(
        output.view(expected.shape), expected, atol=1e-4
    )


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def mmcv_function(monkeypatch):
    """Stand in for MMCV's compiled Function."""
    from mmcv.ops import multi_scale_deform_attn as module

    class Attention:
        """Stands for MMCV's Function, in its pure PyTorch form."""

        @staticmethod
        def apply(value, shapes, start, locations, weights, im2col_step):
            assert value.dtype == locations.dtype == torch.float32
            assert not torch.is_autocast_enabled('cpu')
            assert len(value) % im2col_step == 0
            return multi_scale_deformable_attn_pytorch(
                value, shapes, locations, weights
            )

    monkeypatch.setattr(module, 'MultiScaleDeformableAttnFunction', Attention)


def test_attention_is_refused_in_deterministic_mode(
    mmcv_function, deterministic
):
    input, offset, mask = inputs(batch=3)
    geometry = Geometry(3, 1, 1, 1, 2, 1.0, False)
    mmcv_backend.run(input, offset, mask, geometry)
    output = mmcv_backend.run(input.requires_grad_(), offset, mask, geometry)
    with pytest.raises(RuntimeError, match="'mmcv' has no .*'torch' have one"):
        output.sum().backward()


def test_attention_runs_in_float32_under_autocast(mmcv_function):
    input, offset, mask = inputs(batch=3)
    geometry = Geometry(3, 1, 1, 1, 2, 1.0, False)
    with torch.autocast('cpu', torch.bfloat16):
        output = mmcv_backend.run(input.bfloat16(), offset, mask, geometry)
    expected = torch_backend.run(input.bfloat16(), offset, mask, geometry)
    torch.testing.assert_close(output, expected)


# --- official ----------------------------------------------------------------


class OfficialExtension(ModuleType):
    """Takes arguments as the official extension of a version does."""

    def __init__(self, version):
        super().__init__('DCNv3')
        self.__spec__ = ModuleSpec('DCNv3', None)
        self.version = version

    def geometry(self, constants, remove_center):
        kernel, _, stride, _, pad, _, dilation, _, *rest = constants
        groups, group_channels, offset_scale, im2col_step = rest
        assert constants[:8:2] == constants[1:8:2]
        assert (group_channels, im2col_step) == (2, 3)
        assert len(remove_center) == (self.version != '1.0')
        return Geometry(
            kernel, stride, pad, dilation, groups, offset_scale,
            bool(remove_center and remove_center[0]),
        )  # fmt: skip

    def dcnv3_forward(self, input, offset, mask, *others):
        geometry = self.geometry(others[:12], others[12:])
        return torch_backend.run(input, offset, mask, geometry)

    def dcnv3_backward(self, input, offset, mask, *others):
        geometry = self.geometry(others[:12], others[13:])
        assert others[12].is_contiguous()
        tensors = [t.detach().requires_grad_() for t in (input, offset, mask)]
        with torch.enable_grad():
            output = torch_backend.run(*tensors, geometry)
        return torch.autograd.grad(output, tensors, others[12])


@pytest.fixture
def official(monkeypatch, request):
    version = request.param
    monkeypatch.setitem(sys.modules, 'DCNv3', OfficialExtension(version))
    monkeypatch.setattr(official_backend, 'version', lambda name: version)
    return version


@pytest.mark.parametrize(
    ('official', 'setting'),
    [
        ('1.0', Setting(groups=2, stride=2, offset_scale=2.0)),
        ('1.1', Setting(groups=2, stride=2, offset_scale=2.0)),
        ('1.1', Setting(groups=2, remove_center=True, dilation=2)),
    ],
    indirect=['official'],
    ids=str,
)
def test_official_extension_is_called_in_its_order(official, setting):
    *arrays, _ = make_inputs(setting, batch=3, group_channels=2)
    geometry = Geometry(*setting)
    results = []
    for backend in (official_backend, torch_backend):
        tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
        output = backend.run(*tensors, geometry)
        # the gradient of a transposed sum is not contiguous
        total = output.transpose(0, 1).sum(0).sum()
        results.append([output, *torch.autograd.grad(total, tensors)])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize('official', ['1.0'], indirect=True)
def test_official_version_1_0_has_no_remove_center(official):
    geometry = Geometry(3, 1, 1, 1, 2, 1.0, True)
    with pytest.raises(RuntimeError, match=r'1\.0 .* install 1\.1'):
        official_backend.run(*inputs(taps=8), geometry)


@pytest.mark.parametrize('official', ['1.1'], indirect=True)
def test_official_extension_is_refused_in_deterministic_mode(
    official, deterministic
):
    input, offset, mask = inputs(batch=3)
    output = official_backend.run(
        input.requires_grad_(), offset, mask, Geometry(3, 1, 1, 1, 2, 1.0, 0)
    )
    with pytest.raises(RuntimeError, match="'official' has no .*'torch' have"):
        output.sum().backward()
    torch.use_deterministic_algorithms(True, warn_only=True)
    with pytest.warns(UserWarning, match="'official' has no deterministic"):
        output.sum().backward()


@pytest.mark.parametrize('official', ['1.1'], indirect=True)
def test_official_extension_has_no_bfloat16(official):
    input, offset, mask = inputs(batch=3)
    output = official_backend.run(
        input.bfloat16(), offset, mask, Geometry(3, 1, 1, 1, 2, 1.0, False)
    )
    assert output.dtype == torch.bfloat16


def test_official_module_without_distribution_is_an_error():
    with pytest.raises(RuntimeError, match='no distribution of that name'):
        official_backend._knows_remove_center()
