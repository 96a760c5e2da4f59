import io
import sys

import pytest
from mmengine.runner import Runner

pytestmark = pytest.mark.openmmlab


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize('stream', [Terminal, io.StringIO])
def test_bar_on_terminals_only(toy_config, monkeypatch, stream):
    error = stream()
    monkeypatch.setattr(sys, 'stderr', error)
    toy_config.val_cfg = None
    toy_config.val_dataloader = toy_config.val_evaluator = None
    runner = Runner.from_cfg(toy_config)
    runner.train()
    shown = error.getvalue()
    if stream is Terminal:
        for words in ('epoch 2/2', '8/8', 'loss=', 'img/s=', 'data='):
            assert words in shown
        # Log lines are still printed, above the bar
        assert runner.logger.handlers
    else:
        assert 'img/s' not in shown
