"""Checkpoints that are folders, written by many processes at once."""

from __future__ import annotations

import os.path as osp
import pickle
import tempfile
from typing import Any

import torch

from .errors import CheckpointError

__all__ = ['RUN_FILE', 'is_distributed_checkpoint', 'read_weights']

# what is not sharded: counters, schedules, the config
RUN_FILE = 'run.pth'
_METADATA = '.metadata'
# whatever torch.distributed.checkpoint pickles to describe its files
_DESCRIPTIONS = {
    'collections': {'OrderedDict'},
    'pathlib': {'PosixPath', 'PurePosixPath', 'WindowsPath'},
    'torch': {'Size', 'device'},
    'torch.distributed.checkpoint.filesystem': {
        '_StorageInfo',
        '_StoragePrefix',
    },
    'torch.distributed.checkpoint.metadata': {
        'BytesStorageMetadata',
        'ChunkStorageMetadata',
        'Metadata',
        'MetadataIndex',
        'StorageMeta',
        'TensorProperties',
        'TensorStorageMetadata',
        '_MEM_FORMAT_ENCODING',
    },
    'torch.serialization': {'_get_layout'},
}


class _Descriptions(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        is_dtype = module == 'torch' and isinstance(
            getattr(torch, name, None), torch.dtype
        )
        if not is_dtype and name not in _DESCRIPTIONS.get(module, ()):
            raise pickle.UnpicklingError(f'{module}.{name} is refused')
        return super().find_class(module, name)


def is_distributed_checkpoint(path: str) -> bool:
    """Say whether a folder is one of ``torch.distributed.checkpoint``."""
    return osp.isfile(osp.join(path, _METADATA))


def require_descriptions(path: str) -> None:
    """Refuse a folder whose description could run code.

    Args:
        path (str): The folder; torch unpickles its ``.metadata``.

    Raises:
        CheckpointError: If it is damaged or holds anything else.
    """
    try:
        with open(osp.join(path, _METADATA), 'rb') as file:
            _Descriptions(file).load()
    except Exception as error:  # whatever a damaged pickle makes of it
        raise CheckpointError(
            f'{path} is damaged, or no distributed checkpoint: {error}'
        ) from error


def read_weights(path: str) -> dict[str, Any]:
    """Read the whole weights of a folder on one process.

    Args:
        path (str): The folder.

    Returns:
        dict: ``state_dict``, and the optimizer's state by parameter names.

    Raises:
        CheckpointError: If it is damaged.
    """
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    require_descriptions(path)
    with tempfile.TemporaryDirectory() as folder:
        file = osp.join(folder, 'whole.pth')
        try:
            dcp_to_torch_save(path, file)
        except Exception as error:  # files that are missing or cut
            raise CheckpointError(f'{path} is damaged: {error}') from error
        return torch.load(file, weights_only=True)
