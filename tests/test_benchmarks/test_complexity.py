"""Parameters and multiply-accumulates of all InternImage classifiers."""

import pytest
from mmengine.config import Config

from m3i_mm.benchmarks.complexity import build_without_memory, count_complexity
from m3i_mm.models.internimage.classifier import internimage_classifier_config


@pytest.mark.parametrize(
    ('arch', 'size', 'parameters', 'giga_macs'),
    [
        ('tiny', 224, 29_918_424, 4.89),
        ('small', 224, 50_079_880, 8.31),
        ('base', 224, 97_461_832, 16.18),
        ('large', 384, 223_334_810, 107.8),
        ('xlarge', 384, 334_819_780, 162.9),
        ('huge', 640, 1_089_636_760, 1493),
        ('giant', 512, 3_076_373_352, 2711),
    ],
)
def test_known_numbers(arch, size, parameters, giga_macs):
    config = Config(dict(model=internimage_classifier_config(arch)))
    model = build_without_memory(config, 'model')
    complexity = count_complexity(model, (size, size))
    assert complexity.parameters == parameters
    assert complexity.macs / 1e9 == pytest.approx(giga_macs, rel=2e-3)


def test_backbone_alone():
    config = Config(dict(model=internimage_classifier_config('tiny')))
    backbone = build_without_memory(config, 'backbone')
    assert count_complexity(backbone, (32, 32)).parameters == 28_754_672
