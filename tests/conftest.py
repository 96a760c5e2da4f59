"""Fixtures for tests that run a whole, tiny training.

Imports m3i_mm before any test module imports MMDetection, which needs
``mmcv._ext`` at import; m3i_mm supplies it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import m3i_mm  # noqa: F401

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _globals_end_with_the_test():
    """A runner leaves its scope behind, in which later lookups would run.

    And its visualizer, whose folder later runs would write to.
    """
    yield
    from mmengine.registry import DefaultScope
    from mmengine.visualization import Visualizer

    classes = [DefaultScope, Visualizer]
    while classes:
        owner = classes.pop()
        owner._instance_dict.clear()
        classes += owner.__subclasses__()


@pytest.fixture
def toy_config_file():
    """Config of a training that takes a second; see ``toy/training.py``."""
    return str(ROOT / 'tests/toy/config.py')


@pytest.fixture
def toy_config(toy_config_file, tmp_path):
    """The same, read, with an output folder of its own."""
    from mmengine.config import Config

    from m3i_mm.runs.config import complete_dataloaders

    cfg = Config.fromfile(toy_config_file)
    cfg.work_dir = str(tmp_path)
    complete_dataloaders(cfg)
    return cfg


@pytest.fixture
def run_tool():
    """Run a script of ``tools/`` as a user does, in a process of its own."""

    def run(script, *arguments, env=None, check=True):
        command = [str(ROOT / 'tools' / script), *map(str, arguments)]
        if script.endswith('.py'):
            command.insert(0, sys.executable)
        paths = [str(ROOT), str(ROOT / 'tests')]
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=300,
            env={
                **os.environ,
                'PYTHON': sys.executable,
                'PYTHONPATH': os.pathsep.join(paths),
                'OMP_NUM_THREADS': '1',
                **(env or {}),
            },
        )
        if check:
            # the end of it, for logs are long and reports cut their ends off
            said = result.stdout[-2000:] + result.stderr[-4000:]
            assert result.returncode == 0, said
        return result

    return run
