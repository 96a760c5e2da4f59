"""One scheme of names; the old ones work and say the new ones."""

import runpy
from pathlib import Path

import pytest
from mmengine.config import Config

import m3i_mm

CONFIGS = Path(__file__).parents[2] / 'configs'
OLD = {
    str(path.relative_to(CONFIGS)): path
    for path in sorted(CONFIGS.glob('*/*.py'))
    if '_deprecation_' in path.read_text()
}
SAMPLES = [
    'imagenet/vit-b16-m3i-pre_knn_in1k.py',
    'internimage/internimage-t_32xb128-300e_in1k.py',
    'coco/dino-4scale_internimage-h_256xb1-26e_objects365.py',
]


def test_every_old_name_leads_to_a_config():
    assert len(OLD) == 22
    for path in OLD.values():
        stub = runpy.run_path(str(path))
        target = (path.parent / stub['_base_']).resolve()
        assert target.is_file()
        assert stub['_deprecation_']['expected'].endswith(target.name)


@pytest.mark.parametrize('name', SAMPLES)
def test_an_old_name_is_read_and_says_the_new_one(name):
    path = m3i_mm.get_config_path(name)
    expected = runpy.run_path(path)['_deprecation_']['expected']
    with pytest.warns(DeprecationWarning, match=f'use {expected}'):
        found = Config.fromfile(path)
    assert found.model.backbone.type


def test_an_old_name_is_inherited_from(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = 'm3i_mm::{SAMPLES[0]}'")
    with pytest.warns(DeprecationWarning, match='vit-base-p16'):
        Config.fromfile(config)


def test_names_follow_the_scheme():
    """Backbones as in MMPretrain; precision and schedule where they hold."""
    for path in CONFIGS.glob('*/*.py'):
        name = path.stem
        if str(path.relative_to(CONFIGS)) in OLD or '_base_' in path.parts:
            continue
        assert 'vit-b16' not in name
        if path.parent.name not in ('m3i', 'internimage'):
            continue
        cfg = Config.fromfile(path)
        mixed = cfg.optim_wrapper.type not in ('OptimWrapper', None)
        assert ('-amp' in name) == mixed, name
        kinds = [entry.type for entry in cfg.param_scheduler]
        assert ('-coslr' in name) == any('Cosine' in k for k in kinds), name
