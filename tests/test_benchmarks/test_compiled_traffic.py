"""Bytes and kernels that Inductor plans, without a GPU."""

import torch
from torch import nn

from m3i_mm.benchmarks.compiled_traffic import compiled_traffic
from m3i_mm.benchmarks.traffic import Traffic, total
from m3i_mm.models.internimage.archs import get_arch
from m3i_mm.models.internimage.layers import Block

# a block of T's first stage, 64 images of 224 px, in commit ae7937a, where no
# kernel but that of DCNv3 was written by hand
BEFORE = 3.768


def test_counts_by_hand():
    with torch.device('meta'):
        model = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
    assert compiled_traffic(model, (3, 8), torch.float32) == {
        # forward, and the gradients of input and weight
        'aten.mm.out': Traffic(3, 3 * 4 * (24 + 32 + 12)),
        # bias and ReLU, which keeps a mask; its gradient; that of the bias
        'fused': Traffic(
            3, (4 * (12 + 4 + 12) + 12) + (4 * 2 * 12 + 12) + 4 * (12 + 4)
        ),
    }


def test_a_compiled_block_moves_no_more_than_before():
    with torch.device('meta'):
        block = Block(get_arch('tiny'), 64, 4, 0.0, 'LN', False, 'triton')
    traffic = compiled_traffic(block, (64, 56, 56, 64), torch.bfloat16)
    assert total(traffic).bytes / 2**30 <= BEFORE
    # what is fused in eager mode by hand stays Inductor's to fuse
    assert traffic['m3i_mm.dcnv3.default'].launches == 1
    assert not any('add_norm' in name for name in traffic)
