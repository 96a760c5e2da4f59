"""The life of a process group around a training without a GPU."""

import pytest
import torch
from torch import distributed

from m3i_mm.runs.cli import main_train

pytestmark = pytest.mark.openmmlab


@pytest.mark.skipif(torch.cuda.is_available(), reason='MMEngine starts NCCL')
def test_training_leaves_its_process_group(
    toy_config_file, tmp_path, monkeypatch
):
    # A group alive at exit aborts a process at random
    for name, value in {
        'MASTER_ADDR': '127.0.0.1',
        'MASTER_PORT': '0',
        'RANK': '0',
        'LOCAL_RANK': '0',
        'WORLD_SIZE': '1',
    }.items():
        monkeypatch.setenv(name, value)
    started = []
    start = distributed.init_process_group
    monkeypatch.setattr(
        distributed,
        'init_process_group',
        lambda *args, **kwargs: (started.append(1), start(*args, **kwargs)),
    )
    main_train(
        [
            toy_config_file,
            *('--work-dir', str(tmp_path)),
            *('--launcher', 'pytorch'),
        ]
    )
    assert started
    assert not distributed.is_initialized()
