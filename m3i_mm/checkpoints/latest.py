"""Which checkpoint of a work folder a run continues from."""

from __future__ import annotations

import os.path as osp
import re
import zipfile
from glob import escape, glob

from mmengine.logging import print_log

from .errors import CheckpointError
from .reading import check_file, read_checkpoint
from .writing import AtomicLocalBackend

__all__ = [
    'STOPPED',
    'find_latest',
    'point_to',
    'require_intact',
    'require_state',
]

POINTER = 'last_checkpoint'
# of a run that was asked to end; the next regular one takes its place
STOPPED = 'stopped_iter_{}.pth'
# what CheckpointHook writes
SAVED = re.compile(r'(?:stopped_iter|epoch|iter)_(\d+)\.pth')


def point_to(work_dir: str, path: str) -> None:
    """Say which checkpoint of a work folder is its last.

    Args:
        work_dir (str): The work folder.
        path (str): The checkpoint.
    """
    AtomicLocalBackend().put_text(path, osp.join(work_dir, POINTER))


def find_latest(work_dir: str) -> str | None:
    """Find the checkpoint that a work folder says is its last.

    The folder may have been moved or copied since. If it does not say which,
    because the process was killed just then, the newest file is taken.

    Args:
        work_dir (str): The work folder.

    Returns:
        str | None: The path; None if the folder holds no checkpoint.

    Raises:
        CheckpointError: If the last checkpoint is not there or damaged. It
            names the one before.
    """
    pointer = osp.join(work_dir, POINTER)
    named = ''
    if osp.isfile(pointer):
        with open(pointer, encoding='utf8', errors='replace') as file:
            named = file.read().strip()
    if named:
        moved = osp.join(work_dir, osp.basename(osp.normpath(named)))
        path = moved if osp.exists(moved) else named
        require_intact(path)
        return path
    candidates = _newest_first(work_dir)
    if not candidates:
        return None
    require_intact(candidates[0])
    print_log(
        f'{pointer} is {"empty" if osp.isfile(pointer) else "missing"}: the '
        f'run continues from {candidates[0]}, the newest checkpoint there',
        logger='current',
    )
    return candidates[0]


def require_intact(path: str) -> None:
    """Check a checkpoint before a run is built around it.

    Args:
        path (str): A file, or a folder of DeepSpeed's.

    Raises:
        CheckpointError: If it is not there or damaged; names the newest one
            beside it that is not.
    """
    if osp.isdir(path):
        return
    try:
        _check(path)
    except CheckpointError as error:
        intact = _newest_intact(osp.dirname(path), path)
        if intact is None:
            raise CheckpointError(
                f'{error}. There is no other checkpoint beside it'
            ) from error
        raise CheckpointError(
            f'{error}. The one before is {intact}: --resume {intact}'
        ) from error


def require_state(path: str) -> None:
    """Check that a run can continue from a checkpoint.

    Args:
        path (str): A file, or a folder of DeepSpeed's or FSDP's, which always
            holds the state of a run.

    Raises:
        CheckpointError: If it holds weights but not how far the run was or
            what the optimizer remembered; says how to start from them.
    """
    if osp.isdir(path):
        return
    content = read_checkpoint(path, 'meta')
    meta = content.get('meta')
    progress = isinstance(meta, dict) and {'epoch', 'iter'} <= meta.keys()
    if not progress or 'optimizer' not in content:
        raise CheckpointError(
            f'--resume: {path} holds weights alone, and not the state of a '
            'run (optimizer, epoch, iteration). To begin a run with them: '
            f'--cfg-options load_from={path}'
        )


def _check(path: str) -> None:
    check_file(path)
    # without checksums only reading shows what it is
    if not zipfile.is_zipfile(path):
        read_checkpoint(path)


def _newest_first(folder: str) -> list[str]:
    # by number, for a copy of the folder may have other times; one of a
    # stopped run is there only if nothing came after it
    numbered = {
        path: (osp.basename(path).startswith('stopped'), int(match[1]))
        for path in glob(osp.join(escape(folder), '*.pth'))
        if (match := SAVED.fullmatch(osp.basename(path)))
    }
    return sorted(numbered, key=lambda path: numbered[path], reverse=True)


def _newest_intact(folder: str, damaged: str) -> str | None:
    for path in _newest_first(folder):
        if not osp.exists(damaged) or not osp.samefile(path, damaged):
            try:
                _check(path)
            except CheckpointError:
                continue
            return path
    return None
