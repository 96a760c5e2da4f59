"""A check leaves nothing to the run that follows it in one process."""

import time

from m3i_mm.runs.building import build_runner
from m3i_mm.runs.check import check_training


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
