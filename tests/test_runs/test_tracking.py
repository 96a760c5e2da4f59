"""What a tracker was given is read back from the files that it wrote."""

import struct
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.tracking import TRACKERS, add_trackers

TOY = Path(__file__).parents[1] / 'toy' / 'config.py'


@pytest.fixture
def tracked_run(run_tool, tmp_path):
    """Train the toy for one epoch with a tracker; return the work folder."""

    def run(name, **environment):
        pytest.importorskip(TRACKERS[name])
        folder = tmp_path / 'work'
        run_tool(
            'train.py',
            TOY,
            '--work-dir',
            folder,
            '--track',
            name,
            '--cfg-options',
            'train_cfg.max_epochs=1',
            'default_hooks.logger.interval=1',
            env=environment,
        )
        # the local log, which reports read, is still there
        assert list(folder.glob('*/vis_data/scalars.json'))
        return folder

    return run


def test_tensorboard(tracked_run):
    folder = tracked_run('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    (file,) = folder.glob('*/vis_data/events.out.*')
    events = EventAccumulator(str(file)).Reload()
    losses = [event.value for event in events.Scalars('loss')]
    assert losses
    assert losses[-1] > 0


def test_mlflow(tracked_run, monkeypatch):
    folder = tracked_run('mlflow')
    import mlflow

    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')

    (root,) = folder.glob('*/vis_data')
    client = mlflow.MlflowClient(root.as_uri())
    experiments = [
        found.experiment_id for found in client.search_experiments()
    ]
    (run,) = client.search_runs(experiments)
    assert run.data.metrics['loss'] > 0
    assert run.data.tags['mlflow.runName'] == 'work'


def wandb_records(content, header=7, block=32768):
    """Read the log format of LevelDB, in which wandb keeps its records."""
    position, record = header, b''
    while position + 7 <= len(content):
        left = block - position % block
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack_from('<IHB', content, position)
        position += 7 + length
        record += content[position - length : position]
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b''


def test_wandb(tracked_run):
    folder = tracked_run('wandb', WANDB_MODE='offline')
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob('*/vis_data/wandb/offline-run-*/run-*.wandb')
    keys = set()
    for data in wandb_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        keys |= {
            item.key or '/'.join(item.nested_key)
            for item in record.history.item
        }
    assert 'loss' in keys


def test_adds_to_what_the_config_has():
    cfg = Config(
        dict(
            work_dir='work_dirs/mine/',
            visualizer=dict(
                type='UniversalVisualizer',
                vis_backends=[dict(type='LocalVisBackend')],
            ),
        )
    )
    for _ in range(2):
        add_trackers(cfg, ['tensorboard'])
    types = [backend['type'] for backend in cfg.visualizer.vis_backends]
    assert types == ['LocalVisBackend', 'TensorboardVisBackend']


def test_unknown_and_missing(monkeypatch):
    cfg = Config(dict(work_dir='x'))
    with pytest.raises(ConfigError, match="'tensorbord' is none of"):
        add_trackers(cfg, ['tensorbord'])
    monkeypatch.setitem(TRACKERS, 'wandb', 'no_such_package')
    assert 'no_such_package' not in sys.modules
    with pytest.raises(ConfigError, match=r"pip install 'm3i_mm\[tracking\]'"):
        add_trackers(cfg, ['wandb'])
