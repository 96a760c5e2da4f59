"""The shipped pre-training configs, at sizes that a test can train."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from torch.utils._python_dispatch import TorchDispatchMode
from toy import foundation

from m3i_mm.registry import MODELS

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for path in sorted(
        [
            *ROOT.glob('configs/m3i/**/*.py'),
            *ROOT.glob('projects/instances/configs/*.py'),
            *ROOT.glob('projects/teachers/configs/*.py'),
        ]
    )
    if '_base_' not in path.parts and '_deprecation_' not in path.read_text()
]
SMALL_INTERNIMAGE = dict(
    channels=8,
    depths=[1, 1, 1, 1],
    groups=[1, 2, 4, 8],
    mlp_ratio=1.0,
    offset_scale=1.0,
)


def stand_in(model):
    """Put random models of the same widths in the place of published ones."""
    teachers = list((model.get('teachers') or {}).values())
    for part in [model.backbone, *teachers]:
        if part.type in ('m3i_mm.Teacher', 'm3i_mm.FoundationBackbone'):
            if part.get('weights'):  # a small network, whose file is not here
                part.weights = None
            else:
                part.name = _random_model(part.name)
    return model


@cache
def _random_model(name):
    """Write a shallow ViT-S or -B of timm, or ViT-B of open_clip."""
    folder = Path(tempfile.mkdtemp(prefix='m3i-teacher-'))
    atexit.register(shutil.rmtree, folder)
    if name.startswith('open_clip:'):
        vision = dict(image_size=224, layers=1, width=768, patch_size=16)
        sizes = dict(foundation.SIZES, embed_dim=512, vision_cfg=vision)
        foundation.write_open_clip(folder, sizes=sizes)
    elif '_small_' in name:
        foundation.write_timm(folder, 'vit_small_patch16_224', depth=1)
    else:
        foundation.write_timm(
            folder, 'vit_base_patch14_dinov2', depth=1, img_size=196
        )
    return str(folder)


def shrink(model):
    """Make everything shallow; widths, which have to fit, stay."""
    stand_in(model)
    backbone = model.backbone
    if backbone.type.endswith('VisionTransformer'):
        with torch.device('meta'):
            width = MODELS.build(backbone).embed_dims
        backbone.update(
            arch=dict(
                embed_dims=width,
                num_layers=1,
                num_heads=2,
                feedforward_channels=width,
            ),
            img_size=64,
        )
    elif backbone.type.endswith('InternImage'):
        backbone.update(arch=SMALL_INTERNIMAGE)
        model.neck.update(in_channels=[32, 64])
    _reduce(model)
    return model


def _reduce(node):
    if isinstance(node, dict):
        if 'vocab_size' in node:
            node['vocab_size'] = 100
        if node.get('type') in ('TransformerDecoder', 'TextTransformer'):
            node['depth'] = 1
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, (dict, list)):
            _reduce(value)


def distinct(paths):
    """Keep one of the configs that differ in numbers only, shrunk."""
    kept: dict[str, Path] = {}
    for path in paths:
        kept.setdefault(_structure(path), path)
    return list(kept.values())


@cache
def _structure(path):
    model = shrink(Config.fromfile(path).model)
    return re.sub(r'[\d.]+|\w+\.', '', str(model.to_dict()))


def views(model):
    """Return views of four images, with small ones if the input has those."""
    sizes = [64, 64]
    if type(model.input).__name__ == 'MultiCrop':
        sizes += [32, 32]
    return [torch.randn(4, 3, size, size) for size in sizes]


def samples():
    """Return four samples with all annotations that the configs ask for."""
    out = []
    for number in range(4):
        sample = DataSample()
        geometry = [[0.0, 0, 50, 60, 0, 96, 96], [9.0, 5, 80, 90, 1, 96, 96]]
        sample.set_field(torch.tensor(geometry), 'view_geometry')
        sample.set_gt_label(number)
        sample.set_field(torch.tensor(number), 'subgroup')
        sample.set_field(torch.tensor([1 + number, 2, 0]), 'text_tokens')
        out.append(sample)
    return out


class ReadCounter(TorchDispatchMode):
    """Counts how often a value of a tensor is read by the host."""

    def __init__(self):
        super().__init__()
        self.reads = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))
