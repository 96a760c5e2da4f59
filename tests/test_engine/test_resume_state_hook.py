"""Interrupted runs end with the samples and weights of uninterrupted ones."""

import contextlib

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS, MODELS, init_default_scope
from mmengine.runner import Runner
from torch import nn
from toy.shards import PIPELINE, write_shards

from m3i_mm.utils import checkpoint

pytestmark = pytest.mark.openmmlab


class InterruptedRunError(Exception):
    pass


@MODELS.register_module(force=True)
class DropoutModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.keys = []

    def forward(self, inputs, data_samples, mode):
        self.keys.append([sample.sample_key for sample in data_samples])
        x = inputs[0].float().mean((2, 3)) / 255
        x = nn.functional.dropout(self.linear(x), 0.5)
        return dict(loss=x.square().mean())


@HOOKS.register_module(force=True)
class StopHook(Hook):
    priority = 'LOWEST'

    def __init__(self, after):
        self.after = after

    def after_train_iter(self, runner, batch_idx, **kwargs):
        if runner.iter + 1 == self.after:
            raise InterruptedRunError


def run(urls, work_dir, workers, by_epoch, stop=None, resume=False):
    """Train on 6 batches an epoch, with a checkpoint every iteration."""
    init_default_scope('mmpretrain')
    checkpoint.install()
    train_cfg = (
        dict(by_epoch=True, max_epochs=3)
        if by_epoch
        else dict(by_epoch=False, max_iters=18)
    )
    runner = Runner(
        model=dict(type='DropoutModel'),
        work_dir=str(work_dir),
        default_scope='mmpretrain',
        train_dataloader=dict(
            batch_size=4,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=dict(type='default_collate'),
            sampler=dict(type='DefaultSampler', shuffle=True),
            batch_sampler=dict(type='m3i_mm.StreamBatchSampler'),
            dataset=dict(
                type='m3i_mm.SourceDataset',
                source=dict(type='m3i_mm.ShardSource', urls=urls),
                pipeline=PIPELINE,
                window=2,
            ),
        ),
        train_cfg=train_cfg,
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
        ),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)
        ),
        custom_hooks=[dict(type='m3i_mm.ResumeStateHook')]
        + ([dict(type='StopHook', after=stop)] if stop else []),
        randomness=dict(seed=1),
        resume=resume,
        experiment_name=f'{work_dir.name}{stop}{resume}',
    )
    with contextlib.suppress(InterruptedRunError):
        runner.train()
    return runner.model


@pytest.mark.parametrize(
    ('by_epoch', 'workers', 'stop'),
    [(True, 2, 3), (True, 0, 6), (True, 2, 13), (False, 2, 9), (False, 0, 6)],
)
def test_resumed_run_equals_uninterrupted(tmp_path, by_epoch, workers, stop):
    urls = write_shards(tmp_path)
    whole = run(urls, tmp_path / 'whole', workers, by_epoch)
    assert len(whole.keys) == 18
    first = run(urls, tmp_path / 'cut', workers, by_epoch, stop)
    torch.manual_seed(99)  # what the new process draws must not matter
    second = run(urls, tmp_path / 'cut', workers, by_epoch, resume=True)
    assert first.keys + second.keys == whole.keys
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name]), name
