"""Read checkpoints without running code that they carry.

``torch.load(weights_only=True)`` comes first, with the few harmless types
that MMEngine's training checkpoints hold allowed. What needs more is refused
unless its owner says that the file can be trusted. :func:`install` makes
MMEngine read files of every kind of address this way, which also lets
``--resume`` work on MMEngine 0.10 with a torch that reads weights only.
"""

from __future__ import annotations

import os
import os.path as osp
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.fileio import get_local_path
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from .addresses import download, look_up
from .errors import CheckpointError, MissingCheckpointError
from .folders import RUN_FILE, is_distributed_checkpoint, read_weights
from .released import near_released

__all__ = [
    'TRUST_VARIABLE',
    'CheckpointError',
    'MissingCheckpointError',
    'check_file',
    'install',
    'read_checkpoint',
]

TRUST_VARIABLE = 'M3I_MM_TRUST_CHECKPOINTS'
# What DeepSpeed's checkpoint folders keep the model in
_DEEPSPEED_FILE = 'mp_rank_00_model_states.pt'
# path, size and time of files whose checksums were found right
_checked: set[tuple[str, int, int]] = set()


def _history_method(owner: type, name: str) -> Callable[..., Any]:
    """Stand in for ``getattr``, which pickled log histories ask for."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(f'getattr({owner}, {name!r}) is refused')
    return getattr(owner, name)


def _allowed_types() -> list[Any]:
    """What MMEngine's checkpoints hold besides tensors and containers."""
    multiarray = np.zeros(1).__reduce__()[0].__module__
    reconstruct = np.zeros(1).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    allowed: list[Any] = [
        slice,
        HistoryBuffer,
        np.ndarray,
        np.dtype,
        (_history_method, 'builtins.getattr'),
    ]
    for module in {multiarray, 'numpy.core.multiarray'}:
        allowed.append((reconstruct, f'{module}._reconstruct'))
        allowed.append((scalar, f'{module}.scalar'))
    codes = np.typecodes['AllInteger'] + np.typecodes['AllFloat'] + '?'
    allowed.extend({type(np.dtype(code)) for code in codes})
    return allowed


def read_checkpoint(
    path: str, map_location: Any = 'cpu', trust: bool = False
) -> dict[str, Any]:
    """Read a checkpoint of torch or safetensors.

    Args:
        path (str): A file; ``.safetensors`` is told by its name. Of a folder
            that DeepSpeed (ZeRO stages 1 and 2) or
            ``torch.distributed.checkpoint`` wrote, the weights and facts are
            read. Or the name of a file of InternImage's authors, which is
            downloaded. Or an address: ``http(s)://``, MMEngine's
            ``torchvision://``, ``open-mmlab://``, ``mmcls://``, or any that
            its file backends know, such as ``s3://``.
        map_location (Any): As in :func:`torch.load`.
        trust (bool): Run what a pickle asks for if weights alone cannot be
            read. The environment variable ``M3I_MM_TRUST_CHECKPOINTS=1`` does
            the same.

    Returns:
        dict: The content. ``meta['config']`` is left out: MMEngine would
        execute that string when it resumes.

    Raises:
        MissingCheckpointError: If there is no such file.
        CheckpointError: If the file is empty or damaged, no checkpoint, or
            holds objects that could run code.
    """
    with _local_file(path) as file:
        content = _read(file, map_location, trust)
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f'{path} holds a {type(content).__name__}, not a dictionary of '
            'weights'
        )
    meta = content.get('meta')
    if isinstance(meta, dict):
        meta.pop('config', None)
    return content  # type: ignore[return-value]


@contextmanager
def _local_file(path: str) -> Iterator[str]:
    """Yield where a file is on this machine, however it is named."""
    path = look_up(path)
    if path.startswith(('http://', 'https://')):
        yield download(path)
    elif '://' in path:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(get_local_path(path))
            except Exception as error:  # whatever the backend raises
                raise CheckpointError(
                    f'{path} cannot be loaded: {error}'
                ) from error
            yield str(file)
    else:
        yield osp.expanduser(path)


def _read(path: str, map_location: Any, trust: bool) -> Any:
    if osp.isfile(osp.join(path, _DEEPSPEED_FILE)):
        content = _read(osp.join(path, _DEEPSPEED_FILE), map_location, trust)
        return dict(state_dict=content['module'], meta=content['meta'])
    if is_distributed_checkpoint(path):
        content = _read(osp.join(path, RUN_FILE), map_location, trust)
        return dict(content, **read_weights(path))
    check_file(path)
    if path.endswith('.safetensors'):
        return _read_safetensors(path, map_location)
    try:
        with torch.serialization.safe_globals(_allowed_types()):
            return torch.load(
                path, map_location=map_location, weights_only=True
            )
    except pickle.UnpicklingError as error:
        if not trust and os.environ.get(TRUST_VARIABLE) != '1':
            raise CheckpointError(_refusal(path)) from error
    except Exception as error:  # whatever a damaged pickle makes of it
        raise _damaged(path, error) from error
    try:
        return torch.load(path, map_location=map_location, weights_only=False)
    except Exception as error:
        raise _damaged(path, error) from error


def _read_safetensors(path: str, map_location: Any) -> dict[str, Any]:
    from safetensors.torch import load_file

    device = map_location if isinstance(map_location, str) else 'cpu'
    try:
        return load_file(path, device=device)
    except Exception as error:
        raise _damaged(path, error) from error


def check_file(path: str) -> None:
    """Check that a file is there, not empty, and as it was written.

    A file of torch is an archive with checksums, which torch does not read.

    Args:
        path (str): A file on this machine.

    Raises:
        MissingCheckpointError: If there is no such file.
        CheckpointError: If it is empty, cut, or has other bytes than were
            written.
    """
    if not osp.isfile(path):
        raise MissingCheckpointError(
            f'There is no checkpoint {path}.{near_released(path)}'.rstrip('.')
        )
    try:
        state = os.stat(path)
        version = (osp.abspath(path), state.st_size, state.st_mtime_ns)
        if version in _checked:
            return
        if state.st_size == 0:
            raise CheckpointError(f'{path} is empty')
        with open(path, 'rb') as file:
            is_archive = file.read(4) == b'PK\x03\x04'
        if is_archive:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
            if broken is not None:
                raise CheckpointError(
                    f'{path} is damaged: the checksum of {broken} is wrong'
                )
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f'{path} is damaged: it was not written or copied to its end'
        ) from error
    except OSError as error:
        raise _damaged(path, error) from error
    _checked.add(version)


def _damaged(path: str, error: Exception) -> CheckpointError:
    if isinstance(error, OSError) and error.strerror:
        return CheckpointError(f'{path} cannot be read: {error.strerror}')
    first = f'{type(error).__name__}: {error}'.splitlines()[0]
    return CheckpointError(
        f'{path} is not a checkpoint of torch, or is damaged: {first[:120]}'
    )


def _refusal(path: str) -> str:
    try:
        with torch.serialization.safe_globals(_allowed_types()):
            unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # the file may not be a checkpoint at all
        return f'{path} is not a checkpoint of torch, or is damaged'
    return (
        f'{path} holds more than weights ({", ".join(sorted(unsafe))}), and '
        'reading that can run code. If you trust where the file comes from, '
        f'set {TRUST_VARIABLE}=1'
    )


def load_from_anywhere(path: str, map_location: Any = None) -> dict[str, Any]:
    """Load a file; the loader that MMEngine calls for every address.

    Args:
        path (str): See :func:`read_checkpoint`.
        map_location (Any): As in :func:`torch.load`.

    Returns:
        dict: The content.
    """
    return read_checkpoint(path, map_location)


def install() -> None:
    """Make MMEngine read all files by this module."""
    for prefix in list(CheckpointLoader._schemes):
        CheckpointLoader.register_scheme(
            prefix, load_from_anywhere, force=True
        )
