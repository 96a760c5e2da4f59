"""Configs of this package as ``_base_ = 'm3i_mm::...'``.

MMEngine keeps a closed list of the packages it inherits from, and marks what
it inherits with the scope of the package. Ours are written for the scope of
their task's library (``default_scope``), like those of a project that inherits
them, so they go unmarked: a mark would also reach functions that take no
``_scope_``, such as ``default_collate``, and registries of other libraries.
"""

from __future__ import annotations

from collections.abc import Callable

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

__all__ = ['install_config_names']

_PACKAGE = 'm3i_mm'
_Lookup = Callable[[str, str], tuple[str, 'str | None']]


def install_config_names(line: str) -> None:
    """Let MMEngine find the configs of this package, once.

    Args:
        line (str): The installed line of OpenMMLab.
    """
    # A submodule instead of the distribution makes MMEngine take the directory
    # of that file, which is right for wheels, editable installs and checkouts.
    MODULE2PACKAGE.setdefault(_PACKAGE, f'{_PACKAGE}.version')
    if line == 'onedl':
        # its distribution is not the `mmsegmentation` that MMEngine looks for,
        # and on `mmseg::` configs installs over it
        MODULE2PACKAGE['mmseg'] = 'mmseg.version'
    lookup = Config._get_cfg_path
    if lookup.__module__ != __name__:
        Config._get_cfg_path = staticmethod(_without_our_scope(lookup))


def _without_our_scope(lookup: _Lookup) -> _Lookup:
    def find(name: str, filename: str) -> tuple[str, str | None]:
        path, scope = lookup(name, filename)
        return path, None if scope == _PACKAGE else scope

    return find
