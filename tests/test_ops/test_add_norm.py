"""Residual addition and normalisation against their equations in float64.

``test_triton_interpreted.py`` runs this file once more in a process with
TRITON_INTERPRET=1, where the kernels are among the backends.
"""

import itertools
import math
import os

import pytest
import torch
import torch.autograd.forward_ad as forward_ad

from m3i_mm.ops import triton_launch
from m3i_mm.ops.add_norm import Norm, add_norm, layer_norm

CUDA = torch.cuda.is_available()
DEVICE = 'cuda' if CUDA else 'cpu'
HAS_TRITON = CUDA or os.environ.get('TRITON_INTERPRET') == '1'
BACKENDS = ['torch', *(['triton'] if HAS_TRITON else [])]
EPS = 1e-6

# (branch, branch_norm, scale, keep, norm)
PARTS = [
    parts
    for parts in itertools.product([False, True], repeat=5)
    if parts[0] or not any(parts[1:4])
]


def normalise(x, weight, bias):
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return centred / (variance + EPS).sqrt() * weight + bias


def reference(tensors, parts):
    """Sum and output, written out."""
    x, branch, branch_weight, branch_bias, scale, keep, weight, bias = tensors
    has_branch, has_branch_norm, has_scale, has_keep, has_norm = parts
    if has_branch:
        if has_branch_norm:
            branch = normalise(branch, branch_weight, branch_bias)
        if has_scale:
            branch = branch * scale
        if has_keep:
            branch = branch * keep[:, None, None]
        x = x + branch
    return x, normalise(x, weight, bias) if has_norm else x


def fused(tensors, parts, backend, dtype=None):
    x, branch, branch_weight, branch_bias, scale, keep, weight, bias = tensors
    has_branch, has_branch_norm, has_scale, has_keep, has_norm = parts
    return add_norm(
        x,
        branch if has_branch else None,
        Norm(branch_weight, branch_bias, EPS) if has_branch_norm else None,
        scale if has_scale else None,
        keep if has_keep else None,
        Norm(weight, bias, EPS) if has_norm else None,
        dtype,
        backend,
    )


def make_tensors(channels, rows=5):
    torch.manual_seed(0)
    shapes = [(2, rows, channels)] * 2 + [(channels,)] * 3
    shapes += [(2,)] + [(channels,)] * 2
    return [
        torch.randn(shape, dtype=torch.float64, device=DEVICE).requires_grad_(
            shape != (2,)
        )
        for shape in shapes
    ]


def results(outputs, inputs, used):
    """Outputs, and gradients of a sum with fixed weights."""
    torch.manual_seed(1)
    loss = 0.0
    for output, is_used in zip(outputs, used):
        weights = torch.randn(output.shape, dtype=torch.float64).to(DEVICE)
        loss = loss + (output.double() * weights * is_used).sum()
    grads = torch.autograd.grad(
        loss, [t for t in inputs if t.requires_grad], allow_unused=True
    )
    zero = torch.zeros((), device=DEVICE)
    return [*outputs, *(zero if g is None else g for g in grads)]


def compare(ours, expected, **tolerance):
    for ours_, expected_ in zip(ours, expected, strict=True):
        torch.testing.assert_close(
            ours_.double().expand_as(expected_),
            expected_.double(),
            **tolerance,
        )


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('used', [(1, 0), (0, 1), (1, 1)], ids=str)
@pytest.mark.parametrize(
    'parts',
    PARTS,
    ids=lambda parts: (
        ''.join('bnskN'[i] for i in range(5) if parts[i]) or 'none'
    ),
)
def test_equals_the_equations(parts, used, backend):
    tensors = make_tensors(12)
    ours = results(fused(tensors, parts, backend), tensors, used)
    expected = results(reference(tensors, parts), tensors, used)
    compare(ours, expected)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(('channels', 'rows'), [(1, 3), (70, 33), (1500, 2)])
def test_any_width_and_number_of_rows(channels, rows, backend):
    tensors, parts = make_tensors(channels, rows), (True,) * 5
    ours = results(fused(tensors, parts, backend), tensors, (1, 1))
    expected = results(reference(tensors, parts), tensors, (1, 1))
    compare(ours, expected)


@pytest.mark.skipif(not HAS_TRITON, reason='needs Triton')
@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(half):
    tensors, parts = make_tensors(24, 40), (True,) * 5
    exact = [t.detach().float() for t in tensors]
    exact[1] = exact[1].to(half)
    inputs = [t.requires_grad_() for t in exact]
    inputs[5].requires_grad_(False)
    total, out = fused(inputs, parts, 'triton', half)
    assert (total.dtype, out.dtype) == (torch.float32, half)
    wide = [t.detach().double().requires_grad_() for t in exact]
    wide[5].requires_grad_(False)
    expected_total, expected = reference(wide, parts)
    compare([total], [expected_total], rtol=1e-5, atol=1e-5)
    # Triton's interpreter cuts to bfloat16 where a GPU rounds
    torch.testing.assert_close(
        out.double(), expected, rtol=torch.finfo(half).eps, atol=1e-5
    )
    # gradients come in and leave in half precision, sums are in float32
    weights = torch.randn_like(out)
    wanted = [t for t in inputs if t.requires_grad]
    ours = torch.autograd.grad([total, out], wanted, [total, weights])
    theirs = torch.autograd.grad(
        [expected_total, expected],
        [t for t in wide if t.requires_grad],
        [total.double(), weights.double()],
    )
    assert ours[1].dtype == half
    for index, (a, b) in enumerate(zip(ours, theirs)):
        tolerance = torch.finfo(half).eps if index == 1 else 1e-4
        torch.testing.assert_close(
            a.double(), b, rtol=tolerance, atol=tolerance * b.abs().max()
        )


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('gelu', [False, True])
def test_layer_norm_with_gelu(gelu, backend):
    tensors = make_tensors(20)
    x, *_, weight, bias = tensors

    def expected(x, weight, bias):
        y = normalise(x, weight, bias)
        if gelu:
            y = y * 0.5 * (1 + torch.erf(y / math.sqrt(2)))
        return y

    inputs = [x, weight, bias]
    ours = layer_norm(x, Norm(weight, bias, EPS), gelu, backend=backend)
    compare(
        results([ours], inputs, (1,)),
        results([expected(*inputs)], inputs, (1,)),
    )


@pytest.mark.parametrize('backend', BACKENDS)
def test_views_of_any_layout(backend):
    tensors = make_tensors(12)
    tensors[:2] = [
        t.detach()
        .transpose(1, 2)
        .contiguous()
        .transpose(1, 2)
        .requires_grad_()
        for t in tensors[:2]
    ]
    assert not tensors[0].is_contiguous()
    parts = (True, False, False, False, True)
    total, out = fused(tensors, parts, backend)
    ours = results(
        # gradients that are views too
        [t.transpose(1, 2).contiguous().transpose(1, 2) for t in (total, out)],
        tensors,
        (1, 1),
    )
    compare(ours, results(reference(tensors, parts), tensors, (1, 1)))


@pytest.mark.parametrize('backend', BACKENDS)
def test_nothing_to_do_costs_nothing(backend):
    x = make_tensors(8)[0]
    total, out = add_norm(x, backend=backend)
    assert total is x
    assert out is x
    empty = x[:0]
    assert add_norm(empty, empty, backend=backend)[0].shape == empty.shape


def test_compiles_without_a_graph_break():
    tensors, parts = make_tensors(8), (True,) * 5
    compiled = torch.compile(fused, backend='aot_eager', fullgraph=True)
    compare(compiled(tensors, parts, 'auto'), fused(tensors, parts, 'torch'))


@pytest.mark.skipif(not HAS_TRITON, reason='needs Triton')
def test_wide_indices_give_the_same(monkeypatch):
    tensors, parts = make_tensors(8), (True,) * 5
    narrow = results(fused(tensors, parts, 'triton'), tensors, (1, 1))
    monkeypatch.setattr(triton_launch, '_NARROW_INDEX_LIMIT', 0)
    wide = results(fused(tensors, parts, 'triton'), tensors, (1, 1))
    assert all(map(torch.equal, wide, narrow))


@pytest.mark.skipif(not HAS_TRITON, reason='needs Triton')
def test_second_derivatives_are_refused():
    x, *_, weight, bias = make_tensors(8)
    out = layer_norm(x, Norm(weight, bias, EPS), backend='triton')
    grad_out = torch.ones_like(out).requires_grad_()
    (grad,) = torch.autograd.grad(out, x, grad_out, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.sum().backward()


@pytest.mark.skipif(not HAS_TRITON, reason='needs Triton')
def test_forward_mode_differentiation_is_refused():
    x, *_, weight, bias = make_tensors(8)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x.detach(), torch.ones_like(x))
        with pytest.raises(NotImplementedError, match='forward mode AD'):
            layer_norm(dual, Norm(weight, bias, EPS), backend='triton')


def test_forward_mode_differentiation_under_functorch():
    x, *_, weight, bias = make_tensors(8)
    tangent = torch.randn_like(x)
    norm = Norm(weight, bias, EPS)
    _, ours = torch.func.jvp(
        lambda x: layer_norm(x, norm, backend='auto'), (x,), (tangent,)
    )
    _, plain = torch.func.jvp(
        lambda x: layer_norm(x, norm, backend='torch'), (x,), (tangent,)
    )
    torch.testing.assert_close(ours, plain)
    assert ours.any()
