import pytest
import torch
from mmengine.config import Config
from toy.ranks import run_two_processes

from m3i_mm.checkpoints import read_checkpoint
from m3i_mm.engine.nonfinite import (
    NonFiniteLossError,
    first_nonfinite,
    first_nonfinite_anywhere,
)
from m3i_mm.runs.building import build_runner
from m3i_mm.runs.config import complete_dataloaders
from m3i_mm.runs.processes import setup_cpu_processes

pytestmark = pytest.mark.openmmlab


def test_first_in_the_order_of_the_model():
    good, bad = torch.tensor(1.0), torch.tensor(float('inf'))
    assert first_nonfinite({'loss_a': good, 'acc': bad}) is None
    # Detectors return one loss for each level
    losses = {'loss_a': good, 'loss_b': [good, bad], 'loss_c': bad}
    assert first_nonfinite(losses) == ('loss_b', float('inf'))


def test_finite_losses_can_have_an_infinite_sum():
    huge = torch.tensor(3e38)
    found = first_nonfinite_anywhere(huge + huge, dict(loss_a=huge))
    assert found == ('loss', float('inf'))
    assert first_nonfinite_anywhere(huge, dict(loss_a=huge)) is None


def test_error_keeps_the_facts():
    error = NonFiniteLossError('loss_text', float('inf'), 7, 'Do this.')
    assert str(error) == ("iteration 7: the loss 'loss_text' is inf. Do this.")
    assert (error.name, error.value, error.iteration) == (
        'loss_text',
        float('inf'),
        7,
    )


def _run_into_nan(rank, config_file, work_dir):
    cfg = Config.fromfile(config_file)
    cfg.work_dir = work_dir
    cfg.launcher = 'pytorch'
    cfg.model.nan_at = 1
    # rank 0 writes for longer than rank 1 needs to leave
    cfg.model.width = 200_000
    complete_dataloaders(cfg)
    setup_cpu_processes(cfg)
    with pytest.raises(NonFiniteLossError):
        build_runner(cfg).train()
    content = read_checkpoint(f'{work_dir}/before_nan_iter_1.pth')
    assert content['meta']['iter'] == 1


def test_the_checkpoint_is_complete_when_any_process_leaves(
    toy_config_file, tmp_path
):
    run_two_processes(_run_into_nan, toy_config_file, str(tmp_path))
