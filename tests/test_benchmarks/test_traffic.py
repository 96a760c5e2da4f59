"""Bytes and launches of a training step: exact, so they have bounds."""

import pytest
import torch
from torch import nn

from m3i_mm.benchmarks.traffic import Traffic, count_traffic, traffic_of_step
from m3i_mm.benchmarks.traffic import total as sum_of
from m3i_mm.models.internimage.archs import ARCHS

# bytes and launches of the same step as autocast and PyTorch's operators make
# it, with DCNv3's kernels alone (commit ae7937a), at 224 px and 64 images
BEFORE = dict(
    tiny=(66.40, 2954),
    base=(143.12, 3564),
    huge=(675.17, 6484),
)


def test_counts_by_hand():
    layer = nn.Linear(8, 4).to('meta')
    x = torch.empty(3, 8, device='meta')

    def step():
        layer(x).t().relu().expand(5, 4, 3).sum()

    assert count_traffic(step) == {
        'addmm': Traffic(1, 4 * (24 + 32 + 4 + 12)),
        'relu': Traffic(1, 4 * (12 + 12)),
        # what is expanded is read once
        'sum': Traffic(1, 4 * (12 + 1)),
    }


@pytest.mark.parametrize(
    ('arch', 'share'), [('tiny', 0.62), ('base', 0.53), ('huge', 0.49)]
)
def test_a_training_step_moves_few_bytes(arch, share):
    gib, launches = BEFORE[arch]
    traffic = sum_of(traffic_of_step(arch, (224, 224), 64))
    assert traffic.bytes / 2**30 <= share * gib
    assert traffic.launches <= 0.48 * launches


def test_full_precision_needs_no_cast():
    traffic = traffic_of_step('tiny', (32, 32), 2, torch.float32)
    assert '_to_copy' not in traffic
    assert '_foreach_copy_' not in traffic
    depth = sum(ARCHS['tiny'].depths)
    assert traffic['deform_conv_v3.forward_kernel'].launches == depth
    # four a block; the norms of the stem, between and after the stages
    assert traffic['add_norm.forward_kernel'].launches == 4 * depth + 2 + 3 + 4
