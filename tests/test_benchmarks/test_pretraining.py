from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from m3i_mm.benchmarks.pretraining import (
    measure,
    method_models,
    synthetic_batch,
)

TOY = Path(__file__).parents[1] / 'toy' / 'm3i.py'
BASE = Path(__file__).parents[2] / 'configs/_base_/models/m3i_vit-base-p16.py'


def test_all_methods_have_the_same_blocks():
    sizes = {}
    for name, model_cfg in method_models(Config.fromfile(BASE), 224).items():
        scope = DefaultScope.overwrite_default_scope('mmpretrain')
        with scope, torch.device('meta'):
            model = MODELS.build(model_cfg)
        layers = model.backbone.layers
        sizes[name] = [
            sum(p.numel() for n, p in layer.named_parameters() if 'ln' in n)
            + layer.ffn.layers[0][0].weight.numel()
            for layer in layers
        ]
    assert set(sizes) == {
        'supervised', 'MAE', 'SimMIM', 'MoCo v3', 'CLIP', 'M3I',
    }  # fmt: skip
    assert all(size == sizes['M3I'] for size in sizes.values())
    assert len(sizes['M3I']) == 12


@pytest.fixture
def toy():
    return method_models(Config.fromfile(TOY), 16)


def test_operations_and_parts_of_a_step(toy):
    batch = synthetic_batch(4, 16, 4, 'cpu')
    supervised = measure(toy['supervised'], batch, 'cpu', 'float32', 1)
    m3i = measure(toy['M3I'], batch, 'cpu', 'float32', 1)
    assert supervised.images_per_second > 0
    # at least the gradients of its weights
    assert supervised.peak_bytes > 4 * 1000 * 16
    assert {'backbone', 'head', 'backward', 'optimizer'} <= set(
        supervised.parts
    )
    assert {
        'decoder image',
        'text encoder of text',
        'momentum_encoder',
    } <= set(m3i.parts)
    assert min(m3i.parts['backbone'], m3i.parts['backward']) > 0
    # Half of the images are encoded, but decoders and targets come on top
    assert m3i.flops_per_image > supervised.flops_per_image


def test_operations_of_a_linear_layer_are_counted(toy):
    batch = synthetic_batch(4, 16, 4, 'cpu')
    wide = dict(toy['supervised'])
    wide['head'] = dict(wide['head'], num_classes=2000)
    difference = (
        measure(wide, batch, 'cpu', 'float32', 1).flops_per_image
        - measure(
            toy['supervised'], batch, 'cpu', 'float32', 1
        ).flops_per_image
    )
    # forward, gradient of the weight, gradient of the input
    assert difference == 3 * 2 * 16 * 1000
