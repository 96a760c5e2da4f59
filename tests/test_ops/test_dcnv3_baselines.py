"""What DCNv3 is timed against computes the same."""

import pytest
import torch
from dcnv3_reference import SETTINGS, make_inputs

from m3i_mm.benchmarks import baselines
from m3i_mm.ops.deform_conv_v3 import torch_backend
from m3i_mm.ops.deform_conv_v3.geometry import Geometry

pytestmark = pytest.mark.openmmlab


@pytest.mark.parametrize('setting', SETTINGS, ids=str)
@pytest.mark.parametrize('name', baselines.__all__)
def test_equals_the_torch_backend(name, setting):
    *arrays, grad_output = make_inputs(setting)
    geometry = Geometry(*setting)
    # the attention works in float32
    dtype = torch.float32 if 'attention' in name else torch.float64
    results = []
    for run in (getattr(baselines, name), torch_backend.run):
        inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
        output = run(*inputs, geometry)
        grads = torch.autograd.grad(
            output, inputs, torch.from_numpy(grad_output)
        )
        results.append([output, *grads])
    tolerance = 1e-3 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)
