"""The memory layout of convolutions."""

from types import SimpleNamespace

import torch
from torch import nn

from m3i_mm.engine.hooks import ChannelsLastHook


def test_weights_and_maps_are_channels_last_and_results_the_same():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    images = torch.randn(2, 3, 9, 9)
    wanted = model(images)
    ChannelsLastHook().before_run(SimpleNamespace(model=model))
    found = model(images)
    assert model[2].weight.is_contiguous(memory_format=torch.channels_last)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, wanted)
