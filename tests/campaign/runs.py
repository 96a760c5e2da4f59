"""Whole runs of a tiny pre-training in processes that can be killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
import uuid
from pathlib import Path

import torch

from m3i_mm.runs.cli import main_train

CONFIG = Path(__file__).parents[1] / 'toy/m3i.py'
EPOCHS = 3
LAST = f'epoch_{EPOCHS}.pth'
# how long a run may take before it counts as hanging, in seconds
PATIENCE = 300
# a fork has everything imported, so that a run takes seconds
_context = multiprocessing.get_context('fork')


def arguments(shards: str, work_dir: Path, *options: str) -> list[str]:
    """Return the command line of a run of 18 iterations."""
    return [
        str(CONFIG),
        '--work-dir',
        str(work_dir),
        '--cfg-options',
        f'experiment_name={uuid.uuid4().hex}',
        f'train_dataloader.dataset.source.urls={shards}',
        f'train_cfg.max_epochs={EPOCHS}',
        'default_hooks.checkpoint.type=CheckpointHook',
        'default_hooks.checkpoint.interval=2',
        'default_hooks.checkpoint.by_epoch=False',
        'default_hooks.checkpoint.max_keep_ckpts=2',
        *options,
    ]


class Run:
    """A training in one process or two, its output in a file.

    Args:
        command (list[str]): The command line.
        log (Path): Where standard output and error go.
        ranks (int): The number of processes.
        limit (int, optional): The longest file it may write, in bytes.
    """

    def __init__(
        self,
        command: list[str],
        log: Path,
        ranks: int = 1,
        limit: int | None = None,
    ) -> None:
        self.log = log
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        self.processes = [
            _context.Process(
                target=_enter, args=(command, log, rank, ranks, port, limit)
            )
            for rank in range(ranks)
        ]
        for process in self.processes:
            process.start()

    def kill(self, number: int, rank: int = 0) -> None:
        """Send a signal to a rank, if it is still there."""
        if self.processes[rank].is_alive():
            os.kill(self.processes[rank].pid, number)

    def end(self) -> list[int | None]:
        """Return the exit codes; None of a process that hung."""
        until = time.monotonic() + PATIENCE
        for process in self.processes:
            process.join(max(0.1, until - time.monotonic()))
        codes = [process.exitcode for process in self.processes]
        for process in self.processes:
            if process.is_alive():
                process.kill()
                process.join()
        return codes

    @property
    def said(self) -> str:
        """What it printed."""
        return self.log.read_text(errors='replace')


def _enter(
    command: list[str],
    log: Path,
    rank: int,
    ranks: int,
    port: int,
    limit: int | None,
) -> None:
    sys.stdout = sys.stderr = open(log, 'a', buffering=1)  # noqa: SIM115
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    torch.set_num_threads(1)
    if ranks > 1:
        os.environ.update(
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE=str(ranks),
            MASTER_ADDR='127.0.0.1',
            MASTER_PORT=str(port),
        )
        # the launcher's own share is tested with real launchers
        command = [*command[:1], '--launcher', 'pytorch', *command[1:]]
    if limit is not None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    main_train(command)
    sys.stdout.flush()


def final_state(work_dir: Path) -> dict[str, torch.Tensor]:
    """Return the weights and optimizer tensors of a finished run."""
    path = work_dir / f'iter_{_last_iteration(work_dir)}.pth'
    content = torch.load(path, weights_only=False)
    momenta = {
        f'optimizer.{index}.{name}': value
        for index, state in content['optimizer']['state'].items()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
    return {**content['state_dict'], **momenta}


def _last_iteration(work_dir: Path) -> int:
    found = [int(path.stem[5:]) for path in work_dir.glob('iter_*.pth')]
    return max(found)


def equal(one: dict, other: dict) -> bool:
    """Say whether two states are the same, bit by bit."""
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) for name in one
    )
