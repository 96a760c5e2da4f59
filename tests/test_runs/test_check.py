"""A check leaves nothing to the run that follows it in one process."""

import time

import pytest
from torch import nn

from m3i_mm.runs.building import build_runner
from m3i_mm.runs.check import check_training
from m3i_mm.runs.config_check import ConfigError, StepError


def test_a_run_of_the_same_second_writes_into_its_own_folder(
    toy_config, tmp_path, monkeypatch
):
    # runs are named by the second in which they start
    now = time.time()
    monkeypatch.setattr(time, 'time', lambda: now)
    check_training(toy_config.copy())
    runner = build_runner(toy_config)
    runner.visualizer.add_scalar('x', 1.0)
    assert [*tmp_path.glob('*/vis_data/config.py')]


def test_a_step_that_fails_names_the_module(toy_config, monkeypatch):
    def fail(self, features):
        raise AssertionError

    monkeypatch.setattr(nn.Linear, 'forward', fail)
    with pytest.raises(StepError) as error:
        check_training(toy_config)
    assert str(error.value).startswith(
        "model.head (Linear) fails: AssertionError at 'raise AssertionError' "
        'of fail'
    )


def test_a_loop_that_is_not_there_is_named(toy_config):
    toy_config.train_cfg.type = 'EpochBasedTrainLop'
    with pytest.raises(ConfigError, match='train_cfg: .*EpochBasedTrainLoop'):
        check_training(toy_config)
