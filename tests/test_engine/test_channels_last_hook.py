"""The memory layout of convolutions."""

from types import SimpleNamespace

import torch
from mmengine.model import MMDistributedDataParallel
from torch import nn

from m3i_mm.engine.hooks import ChannelsLastHook

LAST = torch.channels_last


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))


def test_weights_and_maps_are_channels_last_and_results_the_same():
    model = convolutions()
    images = torch.randn(2, 3, 9, 9)
    wanted = model(images)
    ChannelsLastHook().before_run(SimpleNamespace(model=model))
    found = model(images)
    assert model[2].weight.is_contiguous(memory_format=LAST)
    assert found.is_contiguous(memory_format=LAST)
    torch.testing.assert_close(found, wanted)


def test_a_wrapper_keeps_the_strides_of_its_weights():
    # made without a process group, which the wrapper would ask for
    wrapper = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = convolutions()
    images = torch.randn(2, 3, 9, 9)
    wanted = wrapper.module(images)
    ChannelsLastHook().before_run(SimpleNamespace(model=wrapper))
    found = wrapper.module(images)
    assert wrapper.module[2].weight.is_contiguous()
    assert found.is_contiguous(memory_format=LAST)
    torch.testing.assert_close(found, wanted)
