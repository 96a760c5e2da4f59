"""A config's model and loader, in its scope and with its preprocessor."""

from pathlib import Path

import pytest
from mmengine.config import Config

from m3i_mm.runs.building import (
    build_loader,
    build_model,
    build_runner,
    model_settings,
)
from m3i_mm.runs.config_check import ConfigError

pytestmark = pytest.mark.openmmlab


def detector():
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(
                type='FasterRCNN',
                backbone=dict(type='ResNet', depth=18),
            ),
        )
    )


def test_names_mean_what_the_scope_says():
    from mmdet.models import ResNet as DetectionResNet
    from mmpretrain.models import ResNet

    cfg = detector()
    assert type(build_model(cfg, 'backbone')) is DetectionResNet
    cfg.default_scope = None
    assert type(build_model(cfg, 'backbone')) is ResNet


def test_the_model_gets_the_preprocessor_of_the_config():
    cfg = Config(
        dict(
            model=dict(
                type='ImageClassifier',
                backbone=dict(type='ResNet', depth=18),
            ),
            data_preprocessor=dict(mean=[1.0, 2.0, 3.0], std=[1.0] * 3),
        )
    )
    settings = model_settings(cfg)
    settings['data_preprocessor']['mean'][0] = 9.0
    assert cfg.data_preprocessor.mean[0] == 1.0, 'settings are a copy'
    model = build_model(cfg)
    assert model.data_preprocessor.mean.shape == (3, 1, 1)


def test_a_part_that_is_not_there():
    with pytest.raises(ConfigError, match=r'has no model\.neck'):
        build_model(detector(), 'neck')
    with pytest.raises(ConfigError, match='has no model'):
        build_model(Config())
    with pytest.raises(ConfigError, match='has no val_dataloader'):
        build_loader(detector(), 'val_dataloader')


def test_a_loader_with_other_settings(toy_config):
    loader = build_loader(toy_config, batch_size=2)
    assert toy_config.train_dataloader.batch_size == 4
    assert len(next(iter(loader))['data_samples']) == 2


def test_rates_of_single_parameters_stay_in_the_log_file(toy_config, capfd):
    toy_config.experiment_name = 'rates of parameters'
    runner = build_runner(toy_config)
    runner.logger.info('paramwise_options -- backbone.weight:lr=0.1')
    assert 'paramwise_options' not in ''.join(capfd.readouterr())
    (log,) = Path(runner.log_dir).glob('*.log')
    assert 'paramwise_options' in log.read_text()
