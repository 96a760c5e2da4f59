"""Runs that are asked to end, or whose launcher is gone."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.folder import hold_folder

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='asks for more processes than GPUs'
)


@pytest.fixture
def start(toy_config_file, tmp_path):
    """Start a long run; yield it once it trains."""
    started = []

    def start_(*arguments, processes=0):
        command = [sys.executable, str(ROOT / 'tools/train.py')]
        if processes:
            command = ['bash', str(ROOT / 'tools/dist_train.sh')]
        command.append(toy_config_file)
        if processes:
            command.append(str(processes))
        process = subprocess.Popen(
            [
                *command,
                '--work-dir',
                str(tmp_path / 'run'),
                *arguments,
                '--cfg-options',
                'train_cfg.max_epochs=100000',
                'default_hooks.checkpoint.interval=100000',
                'default_hooks.checkpoint.type=CheckpointHook',
                'val_cfg=None',
                'val_dataloader=None',
                'val_evaluator=None',
            ],
            env={
                **os.environ,
                'PYTHON': sys.executable,
                'PYTHONPATH': f'{ROOT}:{ROOT / "tests"}',
                'OMP_NUM_THREADS': '1',
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        for line in process.stdout:
            if 'Epoch(train)' in line:
                return process
        raise AssertionError('the run ended')

    yield start_
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_ctrl_c_ends_in_one_line(start):
    process = start()
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + signal.SIGINT
    assert 'Traceback' not in said
    assert said.splitlines()[-1].startswith('stopped by SIGINT: continue')


@pytest.mark.parametrize('processes', [0, 2])
def test_the_warning_of_slurm_saves(start, tmp_path, processes):
    process = start(processes=processes)
    if processes:
        # Slurm signals every process; one has to be enough
        rank = subprocess.run(
            ['pgrep', '-P', str(process.pid)], capture_output=True, text=True
        ).stdout.split()[-1]
        os.kill(int(rank), signal.SIGUSR1)
    else:
        process.send_signal(signal.SIGUSR1)
    said = process.communicate(timeout=90)[0]
    assert 'stopped by SIGUSR1: the state after' in said
    (saved,) = (tmp_path / 'run').glob('stopped_iter_*.pth')
    assert (tmp_path / 'run/last_checkpoint').read_text() == str(saved)
    done = torch.load(saved, weights_only=False)['meta']['iter']
    assert saved.name == f'stopped_iter_{done}.pth'
    if not processes:
        assert process.returncode == 128 + signal.SIGUSR1
        resumed = start('--resume')
        resumed.send_signal(signal.SIGTERM)
        resumed.communicate(timeout=60)
        assert resumed.returncode == 128 + signal.SIGTERM


def _alive(work_dir):
    listed = subprocess.run(
        ['pgrep', '-f', str(work_dir)], capture_output=True, text=True
    )
    return listed.stdout.split()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_ranks_end_with_their_launcher(start, tmp_path, number):
    process = start(processes=2)
    assert len(_alive(tmp_path / 'run')) == 3
    process.send_signal(number)
    end = time.monotonic() + 60
    while _alive(tmp_path / 'run') and time.monotonic() < end:
        time.sleep(0.2)
    assert not _alive(tmp_path / 'run')


def test_a_second_run_in_the_folder_is_refused(start, tmp_path):
    process = start()
    with pytest.raises(
        ConfigError, match=f'in use by process {process.pid} on .*--work-dir'
    ), hold_folder(str(tmp_path / 'run')):  # fmt: skip
        pass
    process.kill()
    process.wait()
    with hold_folder(str(tmp_path / 'run')):
        pass


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / 'file').write_text('')
    holding = hold_folder(str(tmp_path / 'file'))
    with pytest.raises(ConfigError, match='file cannot be written to'):
        holding.__enter__()


KILLED = [
    # 2 iterations in each of 2 epochs; a resumed run starts behind it
    'default_hooks.kill.type=KillHook',
    'default_hooks.kill.at=1',
    'default_hooks.checkpoint.type=CheckpointHook',
    'default_hooks.checkpoint.by_epoch=False',
    'default_hooks.checkpoint.interval=1',
]


def test_killed_ranks_start_again_from_the_last_checkpoint(
    toy_config_file, run_tool, tmp_path
):
    result = run_tool(
        'dist_train.sh',
        toy_config_file,
        2,
        '--work-dir',
        tmp_path,
        '--resume',
        '--cfg-options',
        *KILLED,
        # the second restart once waited for the ranks of the first
        env={'MAX_RESTARTS': '2'},
        check=False,
    )
    # killed before iteration 1 was over: iter_1 is there, and killed again
    assert result.returncode != 0
    saved = torch.load(tmp_path / 'iter_1.pth', weights_only=False)
    assert saved['meta']['iter'] == 1
    assert result.stdout.count('resumed epoch: 0, iter: 1') == 2


def test_killed_ranks_of_two_machines_start_again(
    toy_config_file, run_tool, tmp_path
):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]

    def machine(node):
        return run_tool(
            'dist_train.sh',
            toy_config_file,
            1,
            '--work-dir',
            tmp_path,
            '--resume',
            '--cfg-options',
            *KILLED,
            env={
                'NNODES': '2',
                'NODE_RANK': str(node),
                'PORT': str(port),
                'MAX_RESTARTS': '1',
            },
            check=False,
        )

    with ThreadPoolExecutor(2) as machines:
        results = list(machines.map(machine, (1, 0)))
    assert all(result.returncode for result in results)
    said = ''.join(result.stdout for result in results)
    assert said.count('resumed epoch: 0, iter: 1') == 1
