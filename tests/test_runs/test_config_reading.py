"""Configs by path and by name, with overrides, and what is wrong with them."""

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from toy.downstream import ROOT

from m3i_mm.runs.config import complete_dataloaders
from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.reading import find_config, read_config, shipped_configs

pytestmark = pytest.mark.openmmlab
DEMO = next(
    name
    for name in shipped_configs()
    if name.startswith('m3i/m3i_resnet18_1xb64-')
)


def write(folder, text, name='mine.py'):
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    'name',
    [
        DEMO,
        f'{DEMO}.py',
        DEMO.split('/')[1],
        f'm3i_mm::{DEMO}.py',
        str(ROOT / 'configs' / f'{DEMO}.py'),
    ],
)
def test_a_config_by_every_name(name):
    assert read_config(name).model.type == 'm3i_mm.M3I'


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('nowhere.py', ["no config 'nowhere.py'"]),
        ('m3i_resnet18_1xb64-24_emoji', ['Did you mean', 'm3i_resnet18_1xb']),
        ('m3i_mm::m3i/m3i_resnet.py', ['no config', 'm3i/m3i_resnet.py']),
        ('m3imm::m3i/x.py', ["Did you mean 'm3i_mm'"]),
        ('mmdet::', ['library::folder/config.py']),
    ],
)
def test_a_config_that_is_not_there(name, words):
    with pytest.raises(ConfigError) as error:
        find_config(name)
    assert '\n' not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('model = dict(', ['mine.py', 'no valid config']),
        ('model = dict(a=b)', ['mine.py', "'b' is not defined"]),
        ("_base_ = 'absent.py'", ['mine.py', 'no config', 'absent.py']),
        ("_base_ = 'm3i_mm::m3i/x.py'", ['mine.py', 'no config', 'm3i/x.py']),
        ("_base_ = 'm3i_mm::x.py'", ['mine.py', 'library::folder/config.py']),
        (
            "custom_imports = dict(imports=['no_such_package'])",
            ['mine.py', 'no_such_package'],
        ),
    ],
)
def test_a_config_that_cannot_be_read(tmp_path, text, words):
    with pytest.raises(ConfigError) as error:
        read_config(write(tmp_path, text))
    assert '\n' not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_an_override_into_nothing(toy_config_file):
    with pytest.raises(ConfigError, match="no.*key 'modle'.*'model'"):
        read_config(toy_config_file, {'modle.width': 3})
    with pytest.raises(ConfigError, match='--cfg-options'):
        read_config(toy_config_file, {'custom_imports.imports.9': 'x'})


def test_a_config_inherited_by_name_trains(tmp_path):
    """MMEngine would mark every dict, also those that no registry builds."""
    path = write(
        tmp_path,
        f"""
_base_ = 'm3i_mm::{DEMO}.py'
train_dataloader = dict(batch_size=4, num_workers=0)
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=1)
param_scheduler = None
default_hooks = dict(checkpoint=None)
custom_hooks = [dict(type='m3i_mm.MomentumUpdateHook')]
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
""",
    )
    # as any script does, without this package's tools
    cfg = Config.fromfile(path)
    assert '_scope_' not in cfg.pretty_text
    cfg.work_dir = str(tmp_path)
    cfg.train_dataloader.dataset.source.urls = str(
        ROOT / 'data/emoji/train-000.tar.gz'
    )
    complete_dataloaders(cfg)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 1


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(model=3), 'model holds settings, not 3'),
        ({'train_dataloader': 'x'}, "train_dataloader holds .* not 'x'"),
        ({'train_cfg.max_epochs': 0}, 'max_epochs=0 is no whole number of at'),
        ({'train_cfg.max_epochs': 'x'}, "max_epochs='x' is no whole number"),
        ({'train_dataloader.batch_size': 0}, 'train_dataloader.batch_size=0'),
        ({'val_dataloader.num_workers': -1}, 'val_dataloader.num_workers=-1'),
        ({'randomness.seed': 2**32}, 'randomness.seed=.* of at most'),
        (dict(param_scheduler='x'), "param_scheduler is a list .*'x'"),
        (dict(log_level='LOUD'), "log_level='LOUD' is none of DEBUG"),
        (dict(default_scope='mmdte'), "'mmdte' is no .*Did you mean 'mmdet'"),
    ],
)
def test_a_value_that_cannot_work(toy_config_file, options, words):
    with pytest.raises(ConfigError, match=words):
        read_config(toy_config_file, options)


def test_an_override_of_a_variable_that_was_used_up(tmp_path):
    path = write(tmp_path, 'size = 32\nmodel = dict(size=size)')
    with pytest.raises(ConfigError, match='size: .*change it in the file'):
        read_config(path, dict(size=64))


def test_a_folder_is_no_config(tmp_path):
    with pytest.raises(ConfigError, match='is a folder, and a config is nee'):
        find_config(str(tmp_path))
