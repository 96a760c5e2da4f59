"""A small M3I model, and a batch for it."""

from __future__ import annotations

import pytest
import torch
from m3i_cases import m3i_config
from mmengine.registry import DefaultScope, init_default_scope

import m3i_mm.models  # noqa: F401
from m3i_mm.registry import MODELS


@pytest.fixture(autouse=True)
def _mmpretrain_scope():
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    yield
    DefaultScope._instance_dict.clear()


@pytest.fixture
def model():
    model = MODELS.build(m3i_config())
    model.init_weights()
    return model


@pytest.fixture
def two_views():
    return [torch.randn(8, 3, 32, 32) for _ in range(2)]
