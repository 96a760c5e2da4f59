"""M3I Pre-training and InternImage for the OpenMMLab family.

Importing the package is cheap: it checks the installed OpenMMLab line, makes
``_base_ = 'm3i_mm::...'`` resolvable and puts the stand-in for MMCV's
compiled ops in reach. Nothing of torch, MMPretrain or MMDetection is imported.
"""

import os.path as osp
import warnings
from importlib import import_module
from typing import Any

from .compat import check_dependencies
from .version import __version__

OPENMMLAB_LINE = check_dependencies()

from .inheritance import install_config_names  # noqa: E402
from .mmcv_importer import install_importer  # noqa: E402
from .moved import install_moved_modules  # noqa: E402

install_config_names(OPENMMLAB_LINE)
install_importer()
install_moved_modules()
# Python hides it, and MMEngine says by it which name a config has now
warnings.filterwarnings('default', 'The config file', DeprecationWarning)

__all__ = ['OPENMMLAB_LINE', '__version__', 'get_config_path']


def __getattr__(name: str) -> Any:
    """Import :func:`m3i_mm.commands.pretrain.pretrain` when it is used."""
    if name == 'pretrain':
        return import_module('m3i_mm.commands.pretrain').pretrain
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def get_config_path(name: str) -> str:
    """Return the path of a config that ships with the package.

    It serves configs that are read before ``m3i_mm`` is imported::

        _base_ = [__import__('m3i_mm').get_config_path('m3i/....py')]

    Args:
        name (str): Path below ``configs/``, e.g. ``'m3i/_base_/model.py'``.

    Returns:
        str: The absolute path.

    Raises:
        FileNotFoundError: If there is no such config.
    """
    root = osp.join(osp.dirname(osp.abspath(__file__)), '.mim', 'configs')
    path = osp.join(root, name)
    if not osp.isfile(path):
        raise FileNotFoundError(f'm3i_mm has no config {name!r} in {root}')
    return path
