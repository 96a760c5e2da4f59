"""Linear layers as one matrix product against themselves."""

import pytest
import torch
from torch import nn

from m3i_mm.models.utils.linear import is_plain_linear, linear_together


@pytest.mark.parametrize('widths', [(5, 2), (8, 4, 4)])
def test_equals_the_layers_and_their_gradients(widths):
    torch.manual_seed(0)
    layers = nn.ModuleList(nn.Linear(6, width) for width in widths).double()
    x = torch.randn(2, 3, 6, dtype=torch.double, requires_grad=True)
    together = linear_together(
        x, [(layer.weight, layer.bias) for layer in layers]
    )
    apart = torch.cat([layer(x) for layer in layers], dim=-1)
    columns = sum(widths)
    assert together.shape[-1] == -(-columns // 8) * 8
    assert not together[..., columns:].any()
    tensors = [x, *layers.parameters()]
    outs = together[..., :columns], apart
    torch.testing.assert_close(*outs)
    grad = torch.randn_like(apart)
    torch.testing.assert_close(
        *(torch.autograd.grad(out, tensors, grad) for out in outs)
    )


def test_half_of_the_parameters_cast_is_enough():
    first, second = nn.Linear(4, 3).bfloat16(), nn.Linear(4, 2)
    x = torch.randn(1, 4, dtype=torch.bfloat16)
    out = linear_together(x, [(m.weight, m.bias) for m in (first, second)])
    assert out.dtype == torch.bfloat16
    out[..., 3:5].sum().backward()
    assert second.weight.grad.dtype == torch.float32


def test_knows_layers_that_do_more():
    class Adapted(nn.Linear):
        pass

    layer = nn.Linear(2, 2)
    assert is_plain_linear(layer)
    assert not is_plain_linear(Adapted(2, 2))
    assert not is_plain_linear(nn.Identity())
    layer.register_forward_hook(lambda *_: None)
    assert not is_plain_linear(layer)
