"""Parameters cast at once: what layers see, gradients, and restoring."""

import pytest
import torch
from torch import nn

from m3i_mm.models.utils.autocast import autocast_dtype, cast_parameters


def run(module, x, at_once):
    module.zero_grad()
    with torch.autocast('cpu', torch.bfloat16):
        if at_once:
            with cast_parameters(module, x):
                out = module(x)
        else:
            out = module(x)
    out.square().sum().backward()
    return out, *(p.grad.clone() for p in module.parameters())


def test_results_are_those_of_autocast():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 5), nn.LayerNorm(5)
    )
    x = torch.randn(2, 3, 4, 4)
    expected = run(module, x, at_once=False)
    for ours, theirs in zip(run(module, x, at_once=True), expected):
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_only_layers_of_matrix_products_are_cast():
    module = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)).double()
    module[0].float()
    before = list(module.parameters())
    x = torch.randn(1, 2)
    with torch.autocast('cpu', torch.bfloat16), cast_parameters(module, x):
        assert module[0].weight.dtype == module[0].bias.dtype == torch.bfloat16
        assert module[1].weight.dtype == torch.float64
    assert all(a is b for a, b in zip(module.parameters(), before))


def test_nothing_is_cast_without_autocast():
    module = nn.Linear(2, 3)
    with cast_parameters(module, torch.randn(1, 2)):
        assert module.weight.dtype == torch.float32


def test_parameters_return_after_an_error():
    module = nn.Linear(2, 3)
    weight, x = module.weight, torch.randn(1, 2)
    with (
        pytest.raises(RuntimeError, match='out of memory'),
        torch.autocast('cpu', torch.bfloat16),
        cast_parameters(module, x),
    ):
        raise RuntimeError('out of memory')
    assert module.weight is weight


def test_an_unused_parameter_has_no_gradient():
    module = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    x = torch.randn(1, 2)
    with torch.autocast('cpu', torch.bfloat16), cast_parameters(module, x):
        out = module[0](x)
    out.sum().backward()
    assert module[0].weight.grad is not None
    assert module[1].weight.grad is None


def test_dtype_of_matrix_products():
    x = torch.randn(1)
    assert autocast_dtype(x) == torch.float32
    with torch.autocast('cpu', torch.float16):
        assert autocast_dtype(x) == torch.float16
        assert autocast_dtype(x.double()) == torch.float64
