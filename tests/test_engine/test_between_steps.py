"""A run that ends between two optimizer steps, or before a validation."""

import uuid

import pytest
import torch
from mmengine.config import Config
from toy.ranks import run_two_processes

from m3i_mm.checkpoints import install
from m3i_mm.runs.building import build_runner
from m3i_mm.runs.config import complete_dataloaders
from m3i_mm.runs.processes import setup_cpu_processes

pytestmark = pytest.mark.openmmlab


def train(config_file, work_dir, resume_from=None, launcher='none', **options):
    install()
    cfg = Config.fromfile(config_file)
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'experiment_name': uuid.uuid4().hex,
            'default_hooks.resume_state': dict(type='m3i_mm.ResumeStateHook'),
            **options,
        }
    )
    cfg.launcher = launcher
    if resume_from:
        cfg.resume = True
        cfg.load_from = str(resume_from)
    complete_dataloaders(cfg)
    setup_cpu_processes(cfg)
    runner = build_runner(cfg)
    runner.train()
    return runner


def same_weights(first, second):
    first, second = (
        torch.load(path, weights_only=False)['state_dict']
        for path in (first, second)
    )
    return all(torch.equal(first[name], second[name]) for name in first)


def test_accumulated_gradients_are_kept(toy_config_file, tmp_path):
    # 4 iterations an epoch: epoch 1 ends one iteration into the second step
    options = {'optim_wrapper.accumulative_counts': 3}
    train(toy_config_file, tmp_path / 'whole', **options)
    train(
        toy_config_file,
        tmp_path / 'resumed',
        tmp_path / 'whole/epoch_1.pth',
        **options,
    )
    assert same_weights(
        tmp_path / 'whole/epoch_2.pth', tmp_path / 'resumed/epoch_2.pth'
    )


def _both_runs(rank, config_file, folder):
    # 2 iterations an epoch on each rank
    options = dict(
        launcher='pytorch', **{'optim_wrapper.accumulative_counts': 4}
    )
    whole = train(config_file, folder / 'whole', **options)
    train(
        config_file,
        folder / 'resumed',
        folder / 'whole/epoch_1.pth',
        **options,
    )
    statistics = whole.model.module.norm.running_mean
    other = [torch.empty_like(statistics) for _ in range(2)]
    torch.distributed.all_gather(other, statistics)
    assert torch.equal(*other)


def test_two_ranks_keep_the_gradients_and_statistics(
    toy_config_file, tmp_path
):
    run_two_processes(_both_runs, toy_config_file, tmp_path)
    whole, resumed = (
        tmp_path / run / 'epoch_2.pth' for run in ('whole', 'resumed')
    )
    assert same_weights(whole, resumed)
    saved = torch.load(tmp_path / 'whole/epoch_1.pth', weights_only=False)
    assert saved['accumulated_gradients']


def test_a_checkpoint_without_the_gradients_warns(
    toy_config_file, tmp_path, capfd
):
    options = {'optim_wrapper.accumulative_counts': 3}
    train(toy_config_file, tmp_path, **options)
    path = tmp_path / 'epoch_1.pth'
    content = torch.load(path, weights_only=False)
    del content['accumulated_gradients']
    torch.save(content, path)
    train(toy_config_file, tmp_path, path, **options)
    said = ''.join(capfd.readouterr())
    assert 'lies 1 iterations after the last optimizer step' in said


def test_a_validation_that_was_due_is_made_up_for(toy_config_file, tmp_path):
    options = {
        'default_hooks.checkpoint': dict(
            type='CheckpointHook', interval=1, save_best='top1'
        )
    }
    whole = train(toy_config_file, tmp_path, **options)
    # killed after the last checkpoint, before its validation
    again = train(
        toy_config_file, tmp_path / 'again', tmp_path / 'epoch_2.pth',
        **options,
    )  # fmt: skip
    assert again.val_loop.evaluator.metrics
    key = 'val/top1'
    assert again.message_hub.get_scalar(key).current() == (
        whole.message_hub.get_scalar(key).current()
    )


def test_within_an_epoch_no_validation_is_due(
    toy_config_file, tmp_path, monkeypatch
):
    train(
        toy_config_file,
        tmp_path,
        **{
            'default_hooks.checkpoint': dict(
                type='CheckpointHook', by_epoch=False, interval=1
            )
        },
    )
    count = []
    monkeypatch.setattr(
        'toy.training.ToyAccuracy.compute_metrics',
        lambda self, results: count.append(1) or dict(top1=0.5),
    )
    train(toy_config_file, tmp_path / 'again', tmp_path / 'iter_6.pth')
    assert len(count) == 1
