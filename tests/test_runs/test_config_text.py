"""A config whose text is formatted once."""

import copy
import signal

import pytest
from mmengine.config import Config, config
from yapf.yapflib import yapf_api

from m3i_mm.engine.hooks import StoppedError
from m3i_mm.runs.building import build_runner
from m3i_mm.runs.config_text import FormattedConfig

pytestmark = pytest.mark.openmmlab


@pytest.fixture
def formatted(monkeypatch):
    """The texts that yapf was asked to format."""
    texts = []
    format_code = yapf_api.FormatCode

    def count(text, **style):
        texts.append(text)
        return format_code(text, **style)

    # where the maintained line and the original releases look it up
    monkeypatch.setattr(yapf_api, 'FormatCode', count)
    monkeypatch.setattr(config, 'FormatCode', count, raising=False)
    return texts


def test_the_text_is_that_of_mmengine_and_made_once(formatted, tmp_path):
    cfg = Config(dict(a=dict(b=[1, (2, 'x')], type='Y'), c=None))
    text = cfg.pretty_text
    quick = FormattedConfig.of(cfg)
    formatted.clear()
    assert quick.pretty_text == text
    copy.deepcopy(quick).dump(tmp_path / 'a.py')
    assert (tmp_path / 'a.py').read_text() == text
    assert len(formatted) == 1


def test_a_change_makes_it_anew():
    cfg = Config(dict(a=1))
    quick = FormattedConfig.of(cfg)
    assert quick.pretty_text == 'a = 1\n'
    quick.a = 2
    assert quick.pretty_text == 'a = 2\n'
    assert cfg.a == 2
    cfg.b = [3]
    assert 'b = [' in quick.pretty_text


def test_a_run_formats_its_config_once(toy_config, formatted):
    toy_config.experiment_name = 'formatted once'
    build_runner(toy_config).train()
    assert len(formatted) <= 2


@pytest.mark.parametrize(
    'stop', [StoppedError(signal.SIGTERM, 'resume'), KeyboardInterrupt()]
)
def test_a_signal_meanwhile_is_no_mistake_of_the_config(monkeypatch, stop):
    def interrupted(text, **style):
        raise stop

    monkeypatch.setattr(yapf_api, 'FormatCode', interrupted)
    monkeypatch.setattr(config, 'FormatCode', interrupted, raising=False)
    with pytest.raises(type(stop)):
        _ = FormattedConfig.of(Config(dict(a=1))).pretty_text
