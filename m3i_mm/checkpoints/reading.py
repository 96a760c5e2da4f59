"""Read checkpoints without running code that they carry.

``torch.load(weights_only=True)`` comes first, with the few harmless types
that MMEngine's training checkpoints hold allowed. What needs more is refused
unless its owner says that the file can be trusted. :func:`install` makes
MMEngine read files this way, which also lets ``--resume`` work on MMEngine
0.10 with a torch that reads weights only.
"""

from __future__ import annotations

import os
import os.path as osp
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

__all__ = ['TRUST_VARIABLE', 'CheckpointError', 'install', 'read_checkpoint']

TRUST_VARIABLE = 'M3I_MM_TRUST_CHECKPOINTS'
# What DeepSpeed's checkpoint folders keep the model in
_DEEPSPEED_FILE = 'mp_rank_00_model_states.pt'


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read or does not fit the model."""


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
        path (str): The file; ``.safetensors`` is told by its name. Of a
            folder that DeepSpeed wrote (ZeRO stages 1 and 2) the weights and
            facts are read.
        map_location (Any): As in :func:`torch.load`.
        trust (bool): Run what a pickle asks for if weights alone cannot be
            read. The environment variable ``M3I_MM_TRUST_CHECKPOINTS=1`` does
            the same.

    Returns:
        dict: The content.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file holds objects that could run code.
    """
    path = osp.expanduser(path)
    if osp.isfile(osp.join(path, _DEEPSPEED_FILE)):
        path = osp.join(path, _DEEPSPEED_FILE)
        content = read_checkpoint(path, map_location, trust)
        return dict(state_dict=content['module'], meta=content['meta'])
    if not osp.isfile(path):
        raise FileNotFoundError(f'There is no checkpoint {path}')
    if path.endswith('.safetensors'):
        from safetensors.torch import load_file

        device = map_location if isinstance(map_location, str) else 'cpu'
        return load_file(path, device=device)
    try:
        with torch.serialization.safe_globals(_allowed_types()):
            return torch.load(
                path, map_location=map_location, weights_only=True
            )
    except pickle.UnpicklingError as error:
        if not trust and os.environ.get(TRUST_VARIABLE) != '1':
            raise CheckpointError(_refusal(path)) from error
    return torch.load(path, map_location=map_location, weights_only=False)


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


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load a local file; the loader that MMEngine calls.

    Args:
        filename (str): Path.
        map_location (Any): As in :func:`torch.load`.

    Returns:
        dict: The content.
    """
    return read_checkpoint(filename, map_location)


def load_from_http(
    url: str, map_location: Any = None, model_dir: str | None = None
) -> dict[str, Any]:
    """Download a file once and load it; the loader that MMEngine calls.

    Args:
        url (str): Address, ``http://`` or ``https://``.
        map_location (Any): As in :func:`torch.load`.
        model_dir (str, optional): Where to keep the file. Defaults to
            torch.hub's folder.

    Returns:
        dict: The content.
    """
    folder = model_dir or osp.join(torch.hub.get_dir(), 'checkpoints')
    path = osp.join(folder, osp.basename(urlparse(url).path))
    os.makedirs(folder, exist_ok=True)
    # The first process of all downloads; nodes with disks of their own
    # download once more.
    if is_main_process() and not osp.isfile(path):
        torch.hub.download_url_to_file(url, path)
    barrier()
    if not osp.isfile(path):
        torch.hub.download_url_to_file(url, path)
    return read_checkpoint(path, map_location)


def install() -> None:
    """Make MMEngine read local and downloaded files by this module."""
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    CheckpointLoader.register_scheme(
        ('http://', 'https://'), load_from_http, force=True
    )
