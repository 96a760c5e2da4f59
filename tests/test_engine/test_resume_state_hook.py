"""Interrupted runs end with the samples and weights of uninterrupted ones."""

import contextlib
import json
import os

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS, MODELS, init_default_scope
from mmengine.runner import Runner
from torch import distributed, multiprocessing, nn
from toy.shards import PIPELINE, write_shards

from m3i_mm.checkpoints import reading

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
class EarlySaveHook(Hook):
    """Saves ahead of the hook that knows the position."""

    priority = 'HIGHEST'

    def after_train_iter(self, runner, batch_idx, **kwargs):
        runner.save_checkpoint(
            runner.work_dir, f'early_{runner.iter + 1}.pth', by_epoch=False
        )


@HOOKS.register_module(force=True)
class StopHook(Hook):
    priority = 'LOWEST'

    def __init__(self, after):
        self.after = after

    def after_train_iter(self, runner, batch_idx, **kwargs):
        if runner.iter + 1 == self.after:
            raise InterruptedRunError


def run(
    urls,
    work_dir,
    workers,
    by_epoch,
    stop=None,
    resume=False,
    early=False,
    **kwargs,
):
    """Train on 6 batches an epoch, with a checkpoint every iteration."""
    init_default_scope('mmpretrain')
    reading.install()
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
        + ([dict(type='StopHook', after=stop)] if stop else [])
        + ([dict(type='EarlySaveHook')] if early else []),
        randomness=dict(seed=1),
        resume=resume,
        experiment_name=f'{work_dir.name}{stop}{resume}',
        **kwargs,
    )
    with contextlib.suppress(InterruptedRunError):
        runner.train()
    return getattr(runner.model, 'module', runner.model)


@pytest.mark.parametrize(
    ('by_epoch', 'workers', 'stop'),
    [(True, 0, 6), (True, 2, 13), (False, 2, 9), (False, 0, 6)],
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


def test_a_checkpoint_of_any_hook_resumes_exactly(tmp_path):
    urls = write_shards(tmp_path)
    whole = run(urls, tmp_path / 'whole', 0, True, early=True)
    again = run(
        urls,
        tmp_path / 'cut',
        0,
        True,
        resume=True,
        load_from=str(tmp_path / 'whole/early_8.pth'),
    )
    assert again.keys == whole.keys[8:]
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def run_rank(rank, urls, folder):
    """What each of two processes does: a whole run and one in two parts."""
    os.environ.update(
        RANK=str(rank), WORLD_SIZE='2', LOCAL_RANK=str(rank),
        MASTER_ADDR='127.0.0.1',
    )  # fmt: skip
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    options = dict(
        launcher='pytorch',
        env_cfg=dict(dist_cfg=dict(backend='gloo')),
        cfg=dict(
            model_wrapper_cfg=dict(
                type='MMDistributedDataParallel',
                device_ids=None,
                broadcast_buffers=False,
            )
        ),
    )
    whole = run(urls, folder / 'whole', 0, True, **options)
    first = run(urls, folder / 'cut', 0, True, stop=4, **options)
    second = run(urls, folder / 'cut', 0, True, resume=True, **options)
    same = all(
        torch.equal(weight, second.state_dict()[name])
        for name, weight in whole.state_dict().items()
    )
    result = dict(whole=whole.keys, parts=first.keys + second.keys, same=same)
    (folder / f'{rank}.json').write_text(json.dumps(result))
    distributed.destroy_process_group()


def test_two_ranks_resume_exactly_and_one_takes_over(tmp_path):
    urls = write_shards(tmp_path)
    multiprocessing.spawn(run_rank, (urls, tmp_path), nprocs=2)
    ranks = [
        json.loads((tmp_path / f'{rank}.json').read_text())
        for rank in range(2)
    ]
    for result in ranks:
        assert len(result['whole']) == 9  # 26 samples // 8, 3 epochs
        assert result['parts'] == result['whole']
        assert result['same']
    # one rank goes on in epoch 2, after the first of its 3 batches
    (tmp_path / 'cut/last_checkpoint').write_text(
        str(tmp_path / 'cut/iter_4.pth')
    )
    alone = run(urls, tmp_path / 'cut', 1, True, resume=True)
    unread = [key for r in ranks for b in r['whole'][4:6] for key in b]
    taken = [key for batch in alone.keys[:4] for key in batch]
    assert sorted(taken) == sorted(unread)
