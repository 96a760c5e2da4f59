"""Which class a name means, by scope."""

from pathlib import Path

import pytest
from mmengine import Config
from mmengine import registry as roots
from mmengine.hub import get_model
from mmengine.registry import DefaultScope, build_from_cfg

from m3i_mm import registry

pytestmark = pytest.mark.openmmlab
CONFIGS = Path(__file__).parents[1] / 'configs'


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmdet', 'mmseg', 'm3i_mm'])
@pytest.mark.parametrize('name', ['M3I', 'm3i_mm.M3I'])
def test_our_models_are_found_from_every_scope(scope, name):
    import m3i_mm.models

    with roots.MODELS.switch_scope_and_registry(scope) as models:
        assert models.scope == scope
        assert models.get(name) is m3i_mm.models.M3I


def test_a_name_that_the_parent_has_stays_the_parents():
    parent = roots.Registry('thing', scope='mmengine')
    child = registry.Registry(
        'thing', parent=parent, scope='m3i_mm', locations=['m3i_mm.version']
    )
    ours, theirs = type('Thing', (), {}), type('Thing', (), {})
    parent.register_module(module=theirs)
    child.register_module(module=ours)
    other = type('Other', (), {})
    child.register_module(module=other)
    assert parent.get('Thing') is theirs
    assert child.get('Thing') is ours
    assert parent.get('Other') is other


def test_stock_names_in_our_scope_are_those_of_the_surrounding_one():
    """``_base_ = 'm3i_mm::...'`` puts all types it inherits in our scope."""
    from mmdet.models import ResNet as DetectionResNet
    from mmpretrain.models import ResNet

    for scope, expected in (
        ('mmdet', DetectionResNet),
        ('mmpretrain', ResNet),
    ):
        with DefaultScope.overwrite_default_scope(scope):
            backbone = build_from_cfg(
                Config(dict(type='ResNet', depth=18, _scope_='m3i_mm')),
                roots.MODELS,
            )
        assert type(backbone) is expected


def test_hub_builds_a_model_of_ours():
    (config, *_) = sorted(CONFIGS.glob('m3i/m3i_*_emoji.py'))
    model = get_model(f'm3i_mm::m3i/{config.name}')
    assert type(model).__name__ == 'M3I'


def test_unknown_names_are_errors():
    with pytest.raises(KeyError, match='Nonesuch is not in the m3i_mm::model'):
        build_from_cfg(dict(type='Nonesuch'), registry.MODELS)
