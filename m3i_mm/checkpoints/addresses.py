"""Where checkpoints are: names of zoos and of released files, downloads."""

from __future__ import annotations

import hashlib
import os
import os.path as osp
from collections.abc import Callable
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.runner import checkpoint as mmengine_checkpoint

from m3i_mm.utils.names import near_names

from .errors import CheckpointError
from .released import find_released

__all__ = ['download', 'look_up']


def _openmmlab_models() -> dict[str, str]:
    models: dict[str, str] = mmengine_checkpoint.get_external_models()
    renamed = mmengine_checkpoint.get_deprecated_model_names()
    for old, new in renamed.items():
        if new in models:
            models[old] = models[new]
    home = mmengine_checkpoint._get_mmengine_home()
    return {
        name: address if '://' in address else osp.join(home, address)
        for name, address in models.items()
    }


# prefix -> the addresses of the models behind it
_ZOOS: dict[str, Callable[[], dict[str, str]]] = {
    'torchvision://': mmengine_checkpoint.get_torchvision_models,
    'modelzoo://': mmengine_checkpoint.get_torchvision_models,
    'open-mmlab://': _openmmlab_models,
    'openmmlab://': _openmmlab_models,
    'mmcls://': mmengine_checkpoint.get_mmcls_models,
}


def look_up(path: str) -> str:
    """Replace the name of a model by its address.

    Args:
        path (str): For example ``'torchvision://resnet50'``, or the name of a
            file of InternImage's authors, ``'internimage_t_1k_224.pth'``,
            unless there is a file of that name here. Anything else is
            returned as it is.

    Returns:
        str: The address of the file.

    Raises:
        CheckpointError: If the zoo has no such model.
    """
    for prefix, list_models in _ZOOS.items():
        if path.startswith(prefix):
            name, models = path.removeprefix(prefix), list_models()
            if name not in models:
                raise CheckpointError(
                    f'{prefix} has no model {name!r}.'
                    + near_names(name, models)
                )
            return models[name]
    if osp.dirname(path) or osp.exists(path):
        return path
    released = find_released(path)
    return path if released is None else released.url


def download(url: str) -> str:
    """Download a file once.

    It is kept in torch.hub's folder under its own name and a digest of the
    address: many files have one name.

    Args:
        url (str): Address, ``http://`` or ``https://``.

    Returns:
        str: The path of the file.

    Raises:
        CheckpointError: If the server does not give it.
    """
    folder = osp.join(torch.hub.get_dir(), 'checkpoints')
    os.makedirs(folder, exist_ok=True)
    stem, suffix = osp.splitext(osp.basename(urlparse(url).path))
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    path = osp.join(folder, f'{stem}-from-{digest}{suffix}')
    # The first process of all downloads; nodes with disks of their own
    # download once more.
    if is_main_process() and not osp.isfile(path):
        _download(url, path)
    barrier()
    if not osp.isfile(path):
        _download(url, path)
    return path


def _download(url: str, path: str) -> None:
    try:
        torch.hub.download_url_to_file(url, path)
    except OSError as error:  # of urllib too
        raise CheckpointError(f'{url} cannot be loaded: {error}') from error
