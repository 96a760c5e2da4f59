"""What was run: the command, the versions, the state of the code."""

from __future__ import annotations

import json
import os.path as osp
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import torch

from m3i_mm.compat import installed_lines
from m3i_mm.version import __version__

__all__ = ['MANIFEST', 'describe_run', 'join_words', 'write_manifest']

MANIFEST = 'run.json'


def describe_run() -> dict[str, Any]:
    """Describe this process for whoever reads its results later.

    Returns:
        dict: ``command``, ``started`` (UTC), ``device``, ``versions`` and
        ``git`` (``commit`` and ``changed`` of the folder it was started in,
        ``None`` outside of a repository).
    """
    return dict(
        command=_command(),
        started=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        device=_device(),
        versions=_versions(),
        git=_git_state(),
    )


def write_manifest(folder: str) -> str:
    """Write :func:`describe_run` beside the log of a start.

    Args:
        folder (str): The folder of this start, ``runner.log_dir``.

    Returns:
        str: The file.
    """
    path = osp.join(folder, MANIFEST)
    with open(path, 'w', encoding='utf8') as file:
        json.dump(describe_run(), file, indent=1)
    return path


def join_words(command: Sequence[str]) -> str:
    """Write a command as a shell reads it.

    Args:
        command (Sequence[str]): Its words; the first may be a command of
            the package, ``'m3i data check'``.

    Returns:
        str: One line.
    """
    program, *words = command
    names = program.split() if program.startswith('m3i ') else [program]
    return shlex.join([*names, *words])


def _command() -> str:
    if sys.argv[0].startswith('m3i '):
        return join_words(sys.argv)
    return join_words([osp.basename(sys.executable), *sys.argv])


def _device() -> str:
    if torch.cuda.is_available():
        return f'{torch.cuda.device_count()} x {torch.cuda.get_device_name()}'
    return f'{platform.machine()} CPU, {torch.get_num_threads()} threads'


def _versions() -> dict[str, str]:
    found = dict(
        m3i_mm=__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        torchvision=version('torchvision'),
    )
    for line in installed_lines().values():
        found.update(line)
    return found


def _git_state() -> dict[str, Any] | None:
    commit = _git('rev-parse', 'HEAD')
    if commit is None:
        return None
    return dict(commit=commit, changed=bool(_git('status', '--porcelain')))


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ['git', *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
