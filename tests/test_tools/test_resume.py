"""A run that was killed and continued equals one that was not."""

import multiprocessing
import signal
import uuid

import pytest
import torch
from mmengine.config import Config
from toy.shards import write_shards

from m3i_mm.checkpoints.errors import CheckpointError
from m3i_mm.runs import cli
from m3i_mm.runs.config import set_resume

# 26 samples in batches of 4: 6 iterations in each of 3 epochs
LAST_ITERATION = 18


@pytest.fixture(scope='module', autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp('shards'))


def command(shards, work_dir, *options):
    config = __file__.replace('test_tools/test_resume.py', 'toy/m3i.py')
    return [
        config,
        '--work-dir',
        str(work_dir),
        '--cfg-options',
        f'experiment_name={uuid.uuid4().hex}',
        f'train_dataloader.dataset.source.urls={shards}',
        'train_cfg.max_epochs=3',
        'default_hooks.checkpoint.type=CheckpointHook',
        'default_hooks.checkpoint.interval=1',
        *options,
    ]


@pytest.fixture(scope='module')
def uninterrupted(shards, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole')
    cli.main_train(command(shards, work_dir))
    return torch.load(work_dir / 'epoch_3.pth', weights_only=False)


def _histories(checkpoint):
    """Losses, monitors and rates of every iteration."""
    return {
        name: buffer.data[0].tolist()
        for name, buffer in checkpoint['message_hub']['log_scalars'].items()
        if 'time' not in name
    }


@pytest.mark.parametrize(
    ('options', 'kill_at', 'left', 'final'),
    [
        ([], 9, 'epoch_1.pth', 'epoch_3.pth'),
        (
            [
                'default_hooks.checkpoint.by_epoch=False',
                'default_hooks.checkpoint.interval=2',
            ],
            9,
            'iter_8.pth',
            'iter_18.pth',
        ),
    ],
    ids=['end of epoch', 'within epoch'],
)
def test_killed_and_resumed_run_has_the_same_weights(
    shards, uninterrupted, tmp_path, options, kill_at, left, final
):
    # A fork, so that both have imported the same: imports draw random numbers
    killed = multiprocessing.get_context('fork').Process(
        target=cli.main_train,
        args=[
            command(
                shards,
                tmp_path,
                *options,
                'default_hooks.kill.type=KillHook',
                f'default_hooks.kill.at={kill_at}',
            )
        ],
    )
    killed.start()
    killed.join(timeout=120)
    assert killed.exitcode == -signal.SIGKILL
    assert (tmp_path / 'last_checkpoint').read_text().endswith(left)

    cli.main_train([*command(shards, tmp_path, *options), '--resume'])
    resumed = torch.load(tmp_path / final, weights_only=False)
    assert resumed['meta']['iter'] == LAST_ITERATION
    assert resumed['state_dict'].keys() == uninterrupted['state_dict'].keys()
    for name, expected in uninterrupted['state_dict'].items():
        assert torch.equal(resumed['state_dict'][name], expected), name
    assert _histories(resumed) == _histories(uninterrupted)
    moved = uninterrupted['state_dict']['momentum_encoder.steps']
    assert moved == LAST_ITERATION


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match='is a folder, without a'):
        set_resume(Config(dict(work_dir='a')), str(tmp_path))
    torch.save(dict(state_dict={}), tmp_path / 'epoch_1.pth')
    with pytest.raises(CheckpointError, match=r'--resume .*epoch_1\.pth$'):
        set_resume(Config(dict(work_dir='a')), str(tmp_path))


def test_weights_alone_are_refused_before_a_run_is_built(tmp_path):
    path = str(tmp_path / 'backbone.pth')
    meta = dict(epoch=1, iter=9)
    for content in (
        dict(state_dict={}),
        dict(state_dict={}, meta=meta),
        dict(state_dict={}, meta={}, optimizer={}),
    ):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match='weights alone.*load_from='):
            set_resume(Config(dict(work_dir='a')), path)
    torch.save(dict(state_dict={}, meta=meta, optimizer={}), path)
    cfg = Config(dict(work_dir='a'))
    set_resume(cfg, path)
    assert cfg.load_from == path
