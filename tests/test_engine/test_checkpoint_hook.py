"""A kill at any moment leaves a checkpoint to continue from."""

import uuid
from pathlib import Path

import pytest
from mmengine.config import Config

from m3i_mm.checkpoints import find_latest, install, read_checkpoint
from m3i_mm.engine.hooks import CheckpointHook
from m3i_mm.runs.building import build_runner
from m3i_mm.runs.config import complete_dataloaders

pytestmark = pytest.mark.openmmlab


class KilledError(BaseException):
    pass


@pytest.fixture
def train(toy_config_file, tmp_path):
    install()

    def train_(**options):
        cfg = Config.fromfile(toy_config_file)
        cfg.merge_from_dict(
            {
                'work_dir': str(tmp_path),
                'experiment_name': uuid.uuid4().hex,
                'default_hooks.checkpoint': dict(
                    type='CheckpointHook', interval=1, **options
                ),
            }
        )
        complete_dataloaders(cfg)
        runner = build_runner(cfg)
        runner.train()
        return runner

    return train_


def names(folder):
    return sorted(path.name for path in Path(folder).glob('*.pth'))


def test_only_the_newest_are_kept(train, tmp_path):
    runner = train(max_keep_ckpts=1, save_best='top1', rule='greater')
    assert any(isinstance(hook, CheckpointHook) for hook in runner.hooks)
    kept = names(tmp_path)
    assert len(kept) == 2
    assert 'epoch_2.pth' in kept
    assert kept[0].startswith('best_top1_epoch_')
    assert find_latest(str(tmp_path)) == str(tmp_path / 'epoch_2.pth')


@pytest.mark.parametrize('file', ['epoch_2.pth', 'best_top1_epoch_2.pth'])
def test_a_kill_in_a_write_leaves_the_one_before(
    train, tmp_path, monkeypatch, file
):
    from mmengine.runner import Runner

    save = Runner.save_checkpoint

    def killed(self, out_dir, filename, *args, **kwargs):
        if filename == file:
            raise KilledError
        save(self, out_dir, filename, *args, **kwargs)

    monkeypatch.setattr(Runner, 'save_checkpoint', killed)
    # a score that improves with every epoch
    monkeypatch.setattr(
        'toy.training.ToyAccuracy.compute_metrics',
        lambda self, results: dict(top1=len(names(tmp_path))),
    )
    with pytest.raises(KilledError):
        train(max_keep_ckpts=1, save_best='top1', rule='greater')
    left = names(tmp_path)
    assert 'best_top1_epoch_1.pth' in left
    latest = find_latest(str(tmp_path))
    assert Path(latest).name in left
    read_checkpoint(latest)
