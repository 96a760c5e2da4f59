"""Blocks with the fused kernels against those of PyTorch's operators.

``test_triton_interpreted.py`` runs this file in a process with
TRITON_INTERPRET=1; elsewhere it needs a GPU.
"""

import os

import pytest
import torch
from toy import internimage as official

from m3i_mm.models.internimage.archs import get_arch
from m3i_mm.models.internimage.layers import Block, Downsample, Stem

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cpu' if INTERPRETED else 'cuda'

pytestmark = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(),
    reason='needs a GPU or TRITON_INTERPRET=1',
)


def run(module, x, half=None):
    """Return output, and gradients of input and parameters."""
    torch.manual_seed(3)
    x = x.clone().requires_grad_()
    with torch.autocast(DEVICE, half, enabled=half is not None):
        out = module(x)
    out.square().mean().backward()
    return out, x.grad, *(p.grad for p in module.parameters())


def compare(ours, expected, half):
    """Compare up to the rounding of both, over a few layers."""
    tolerance = 1e-4 if half is None else 0.05
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(
            a.float(),
            b.float(),
            rtol=tolerance,
            # biases in front of batch norm have the gradient zero
            atol=tolerance * max(b.abs().max().item(), 1e-3),
        )


def both(build):
    """Build with and without kernels, with the same random weights."""
    torch.manual_seed(0)
    plain = build('torch').to(DEVICE)
    for p in plain.parameters():
        torch.nn.init.normal_(p, std=0.3)
    fused = build('auto').to(DEVICE)
    fused.load_state_dict(plain.state_dict())
    return plain, fused


def block(name, backend, **settings):
    arch = get_arch(official.ARCHS[name], settings.pop('layer_scale', None))
    return Block(
        arch,
        8,
        2,
        settings.pop('drop_path', 0.0),
        **{
            **dict(norm_layer='LN', with_cp=False, backend=backend),
            **settings,
        },
    )


@pytest.mark.parametrize('half', [None, torch.bfloat16])
@pytest.mark.parametrize(
    ('name', 'settings'),
    [
        ('tiny_like', {}),
        ('tiny_like', dict(layer_scale=1.0, drop_path=0.5)),
        ('small_like', dict(drop_path=0.5)),
        ('small_like', dict(norm_layer='BN')),
        ('huge_like', dict(with_cp=True)),
    ],
)
def test_a_block_is_that_of_the_operators(name, settings, half):
    plain, fused = both(lambda backend: block(name, backend, **settings))
    x = torch.randn(3, 4, 5, 8, device=DEVICE)
    compare(run(fused, x, half), run(plain, x, half), half)


@pytest.mark.parametrize('norm', ['LN', 'BN'])
@pytest.mark.parametrize('part', ['stem', 'downsample'])
def test_what_lies_between_blocks(part, norm):
    if part == 'stem':
        x = torch.randn(2, 3, 16, 12, device=DEVICE)
        plain, fused = both(lambda backend: Stem(3, 8, norm, backend))
    else:
        x = torch.randn(2, 6, 4, 8, device=DEVICE)
        plain, fused = both(lambda backend: Downsample(8, norm, backend))
    for half in (None, torch.bfloat16):
        plain.zero_grad()
        fused.zero_grad()
        compare(run(fused, x, half), run(plain, x, half), half)
