"""Everything that a GPU is to show of InternImage and M3I, in pieces.

A card is often lent for minutes. So each piece is a process of its own with a
limit of ten minutes, what a piece found is written before the next begins, and
a second call goes on with what is missing. The first pieces say whether the
kernels are right; without that the others say little.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ['LIMIT_SECONDS', 'pieces', 'run_pieces']

LIMIT_SECONDS = 600
_TOOLS = 'tools/analysis_tools'
_SIZES = {'224': ('224x224', '64'), '800': ('800x1280', '2')}
_WAYS = {'atomics': 'triton_atomic', 'gather': 'triton'}
_PRETRAINING = 'configs/m3i/m3i_vit-small-p16_32xb128-amp-coslr-400e_in1k.py'
_TAIL = 8000


def pieces(out: Path) -> dict[str, list[str]]:
    """Return the commands, run in the repository's root, by their names.

    Args:
        out (Path): Folder for what they write.

    Returns:
        dict[str, list[str]]: In the order of their use.
    """
    commands = {
        'right': [
            *('-m', 'pytest', '-q', 'tests/test_ops/test_dcnv3_triton.py'),
            'tests/test_ops/test_dcnv3_triton_gather.py',
            'tests/test_ops/test_add_norm.py',
            'tests/test_models/test_internimage/test_fused_block.py',
        ]
    }
    for name, (size, batch) in _SIZES.items():
        for way, backend in _WAYS.items():
            commands[f'{way}-{name}'] = [
                *(f'{_TOOLS}/benchmark_atomics.py', '--backend', backend),
                *('--archs', 'tiny', '--dtype', 'bfloat16'),
                *('--image-sizes', size, '--batch-size', batch),
                *('--out', f'{out}/{way}-{name}.json'),
            ]
    for dtype in ('bfloat16', 'float32'):
        for name, (size, batch) in _SIZES.items():
            common = ['--dtype', dtype, '--image-sizes', size]
            common += ['--batch-size', batch, '--min-seconds', '0.2']
            commands[f'op-{name}-{dtype}'] = [
                *(f'{_TOOLS}/benchmark_dcnv3.py', *common),
                *('--archs', 'tiny', 'base', 'huge'),
                *('--out', f'{out}/op-{name}-{dtype}'),
            ]
        commands[f'backbone-{dtype}'] = [
            *(f'{_TOOLS}/benchmark_backbone.py', '--dtype', dtype),
            *('--image-sizes', '224x224', '--batch-size', '64'),
            *('--archs', 'tiny', 'base', '--min-seconds', '0.5'),
            *('--out', f'{out}/backbone-{dtype}.json'),
        ]
    commands['pretraining'] = [f'{_TOOLS}/benchmark_pretrain.py', _PRETRAINING]
    return commands


def run_pieces(
    commands: Mapping[str, Sequence[str]],
    out: Path,
    limit: float = LIMIT_SECONDS,
) -> dict[str, bool]:
    """Run those that did not succeed yet, one after another.

    Each leaves ``{name}.log.json`` with command, seconds, exit status (null
    when it ran out of time) and the end of what it printed.

    Args:
        commands (dict): Arguments of Python, by name.
        out (Path): Folder of the logs.
        limit (float): Seconds for one piece. Defaults to ten minutes.

    Returns:
        dict[str, bool]: Whether each piece succeeded, now or before.
    """
    out.mkdir(parents=True, exist_ok=True)
    succeeded = {}
    for name, command in commands.items():
        log = out / f'{name}.log.json'
        if not _succeeded(log):
            print(f'{name}: python {" ".join(command)}', flush=True)
            log.write_text(json.dumps(_run(command, limit), indent=2))
        succeeded[name] = _succeeded(log)
        print(f'{name}: {"done" if succeeded[name] else "failed"}', flush=True)
    return succeeded


def _succeeded(log: Path) -> bool:
    return log.exists() and json.loads(log.read_text())['status'] == 0


def _run(command: Sequence[str], limit: float) -> dict[str, object]:
    start = time.monotonic()
    status: int | None = None
    try:
        done = subprocess.run(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=limit,
        )
        printed, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        printed = error.stdout or b''
    return dict(
        command=list(command),
        seconds=round(time.monotonic() - start, 1),
        status=status,
        printed=printed.decode(errors='replace')[-_TAIL:],
    )
