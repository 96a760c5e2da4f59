"""Training with several processes on a machine without a GPU.

MMEngine calls ``torch.cuda.set_device`` when it starts its process group and
hands a GPU index to DDP. Without CUDA the group is therefore started here,
with gloo, and the config is told to wrap the model without devices.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
from typing import Any, NoReturn

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from torch import distributed

from .config_check import ConfigError

__all__ = [
    'die_with_launcher',
    'end_processes',
    'leave',
    'require_launcher',
    'setup_cpu_processes',
    'world_size',
]

# variables with the rank and the number of processes; what sets them
_LAUNCHERS = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'tools/dist_train.sh'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'tools/slurm_train.sh'),
}
# of prctl(2)
_SET_PARENT_DEATH_SIGNAL = 1


def world_size(launcher: str) -> int:
    """Return the number of processes that a launcher started.

    Args:
        launcher (str): ``'none'``, ``'pytorch'`` or ``'slurm'``.
    """
    if launcher == 'none':
        return 1
    _, variable, _ = _LAUNCHERS[launcher]
    return int(os.environ[variable])


def require_launcher(launcher: str) -> None:
    """Check that the processes were started by what they are said to be.

    Args:
        launcher (str): ``'none'``, ``'pytorch'`` or ``'slurm'``.

    Raises:
        ConfigError: If the launcher's variables are not set.
    """
    *needed, script = _LAUNCHERS.get(launcher, ('',))
    missing = [name for name in needed if name not in os.environ]
    if missing:
        raise ConfigError(
            f'--launcher {launcher}: {" and ".join(missing)} are not set; '
            f'{script} starts the processes'
        )


def setup_cpu_processes(cfg: Config) -> None:
    """Start a gloo process group if there are processes but no GPU.

    Args:
        cfg (Config): The config, changed in place: the backend, the model
            wrapper, and batch normalisation without synchronisation, which
            PyTorch has on GPUs only.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher == 'slurm':
        _export_slurm_ranks()
    # One thread per process, as MMEngine sets too, so that processes which
    # share the cores do not slow each other down
    torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', '1')))
    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    if cfg.get('sync_bn') is not None or _replace_sync_bn(cfg.model):
        cfg.sync_bn = None
        print_log(
            'SyncBN needs GPUs: batch statistics are those of each process',
            logger='current',
        )
    if cfg.get('strategy') is None:
        wrapper = cfg.get('model_wrapper_cfg') or dict(
            find_unused_parameters=cfg.get('find_unused_parameters', False)
        )
        wrapper.setdefault('type', 'MMDistributedDataParallel')
        wrapper.setdefault('broadcast_buffers', False)
        wrapper['device_ids'] = None
        cfg.model_wrapper_cfg = wrapper


def end_processes() -> None:
    """Leave the process group, if there is one, when all are done.

    Gloo's threads must end before the interpreter does: a process that exits
    beside running ones is aborted at random ("terminate called without an
    active exception").
    """
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def die_with_launcher() -> None:
    """Let Linux end this process when the one that started it ends.

    A launcher that is killed cannot end its processes, which would train on
    and write to the folder of the run that follows.
    """
    if not sys.platform.startswith('linux'):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def leave(code: int, message: str) -> NoReturn:
    """End a process that others may still wait for.

    Args:
        code (int): The exit code.
        message (str): What to print to standard error.
    """
    print(message, file=sys.stderr)
    if not distributed.is_initialized():
        raise SystemExit(code)
    # Gloo's threads wait for processes that may be gone
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _export_slurm_ranks() -> None:
    """Set the variables that ``init_process_group`` reads from Slurm's."""
    first_node = subprocess.run(
        ['scontrol', 'show', 'hostname', os.environ['SLURM_NODELIST']],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()[0]
    os.environ.setdefault('MASTER_ADDR', first_node)
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ['RANK'] = os.environ['SLURM_PROCID']
    os.environ['LOCAL_RANK'] = os.environ['SLURM_LOCALID']
    os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']


def _replace_sync_bn(node: Any) -> bool:
    """Replace ``type='SyncBN'`` in place; say if there was one."""
    children: list[Any] = []
    found = False
    if isinstance(node, dict):
        found = node.get('type') == 'SyncBN'
        if found:
            node['type'] = 'm3i_mm.BatchNorm'
        children = list(node.values())
    elif isinstance(node, (list, tuple)):
        children = list(node)
    return any([found, *map(_replace_sync_bn, children)])
