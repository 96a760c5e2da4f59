"""The shell scripts, with real processes on the CPU."""

import json
import os
import stat

import pytest
import torch

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='asks for more processes than GPUs'
)


def test_two_gloo_processes_train_and_test(
    run_tool, toy_config_file, tmp_path
):
    work_dir = tmp_path / 'a folder with spaces'
    run_tool(
        'dist_train.sh',
        toy_config_file,
        2,
        '--work-dir',
        work_dir,
        '--amp',
        '--auto-scale-lr',
        '--cfg-options',
        'optim_wrapper.accumulative_counts=2',
        'model.norm_cfg.type=SyncBN',
    )
    (log,) = work_dir.glob('*/*.log')
    text = log.read_text()
    assert '2 processes x 4 samples x 2 accumulated = 16' in text
    assert 'GPU number: 2' in text
    checkpoint = torch.load(work_dir / 'epoch_2.pth', weights_only=False)
    # 16 samples over 2 processes: 2 iterations in each of 2 epochs
    assert checkpoint['meta']['iter'] == 4

    metrics = tmp_path / 'metrics.json'
    run_tool(
        'dist_test.sh',
        toy_config_file,
        work_dir / 'epoch_2.pth',
        2,
        '--work-dir',
        work_dir,
        '--out',
        metrics,
    )
    assert 0 <= json.loads(metrics.read_text())['top1'] <= 1


def executable(path, text):
    path.write_text(f'#!/usr/bin/env bash\n{text}\n')
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_slurm_passes_arguments_on(run_tool, tmp_path):
    executable(tmp_path / 'srun', 'printf "%s\\n" "$@"')
    env = {
        'PATH': f'{tmp_path}:{os.environ["PATH"]}',
        'GPUS': '4',
        'CPUS_PER_TASK': '3',
        'SRUN_ARGS': '--quotatype auto',
    }
    output = run_tool(
        'slurm_train.sh',
        'night',
        'a job',
        'config.py',
        '--cfg-options',
        'note=two words',
        env=env,
    ).stdout.splitlines()
    assert output[:4] == ['--partition', 'night', '--job-name', 'a job']
    for pair in (
        ['--gres', 'gpu:4'],
        ['--ntasks', '4'],
        ['--ntasks-per-node', '4'],
        ['--cpus-per-task', '3'],
        ['--quotatype', 'auto'],
    ):
        assert output[output.index(pair[0]) + 1] == pair[1]
    script = next(i for i, a in enumerate(output) if a.endswith('train.py'))
    assert output[script + 1 :] == [
        'config.py',
        '--cfg-options',
        'note=two words',
        '--launcher',
        'slurm',
    ]


def test_slurm_trains_without_gpu(run_tool, toy_config_file, tmp_path):
    # A cluster of one node and one task
    executable(
        tmp_path / 'srun',
        'while [ "$1" != "$PYTHON" ]; do shift; done\n'
        'SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NTASKS=1 '
        'SLURM_NODELIST=localhost exec "$@"',
    )
    executable(tmp_path / 'scontrol', 'echo localhost')
    env = {
        'PATH': f'{tmp_path}:{os.environ["PATH"]}',
        'MASTER_PORT': '0',
    }
    run_tool(
        'slurm_train.sh',
        'night',
        'job',
        toy_config_file,
        '--work-dir',
        tmp_path / 'work',
        env=env,
    )
    assert (tmp_path / 'work' / 'epoch_2.pth').is_file()


@pytest.mark.parametrize(
    ('script', 'arguments'),
    [
        ('dist_train.sh', ['config.py']),
        ('dist_test.sh', ['config.py', 'a.pth']),
        ('slurm_train.sh', ['night', 'job']),
        ('slurm_test.sh', ['night', 'job', 'config.py']),
    ],
)
def test_too_few_arguments_show_the_usage(run_tool, script, arguments):
    result = run_tool(script, *arguments, check=False)
    assert result.returncode == 2
    assert 'usage:' in result.stderr


@pytest.mark.parametrize(('code', 'queued'), [(0, False), (138, True)])
def test_a_slurm_job_that_was_warned_queues_itself_again(
    run_tool, tmp_path, code, queued
):
    executable(
        tmp_path / 'srun', f'echo "$@" > {tmp_path}/srun.txt; exit {code}'
    )
    executable(tmp_path / 'scontrol', f'echo "$@" > {tmp_path}/control.txt')
    result = run_tool(
        'cluster/slurm_job.sh',
        'config.py',
        env={
            'PATH': f'{tmp_path}:{os.environ["PATH"]}',
            'SLURM_JOB_ID': '7',
        },
        check=False,
    )
    assert result.returncode == code
    assert (
        'config.py --launcher slurm --resume'
        in (tmp_path / 'srun.txt').read_text()
    )
    requeued = tmp_path / 'control.txt'
    assert requeued.exists() == queued
    assert not queued or requeued.read_text() == 'requeue 7\n'
