"""Makes ``mmcv._ext`` importable where MMCV came without compiled ops.

MMDetection and MMSegmentation import ``mmcv.ops``, and every module of that
package loads functions of the compiled extension ``mmcv._ext``. The importer
below stands at the end of ``sys.meta_path``, so Python asks it only when no
compiled extension was found, and it then builds a module of that name from
:mod:`m3i_mm.ops.mmcv_ext`. This module itself imports no torch.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

__all__ = ['MMCVExtImporter', 'has_compiled_mmcv', 'install_importer']

EXTENSION = 'mmcv._ext'
# packages that import `mmcv.ops` while they are imported
USERS = ('mmdet.models', 'mmseg.models')


class MMCVExtImporter(MetaPathFinder, Loader):
    """Finder and loader of the stand-in for ``mmcv._ext``, and of it alone."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the stand-in's specification, ``None`` for other names."""
        if fullname != EXTENSION:
            return None
        return ModuleSpec(fullname, self, origin='m3i_mm.ops.mmcv_ext')

    def exec_module(self, module: ModuleType) -> None:
        """Let the module look its functions up in the stand-in (PEP 562)."""
        from m3i_mm.ops import mmcv_ext

        module.__getattr__ = mmcv_ext.get_op  # type: ignore[method-assign]


def install_importer() -> None:
    """Append the importer to ``sys.meta_path``, once.

    Warns:
        UserWarning: If MMDetection or MMSegmentation was imported before, at
            a time when there was no ``mmcv._ext``: what failed or was
            switched off then stays so.
    """
    if any(isinstance(finder, MMCVExtImporter) for finder in sys.meta_path):
        return
    early = [
        user
        for user in USERS
        if any(name.startswith(user) for name in sys.modules)
    ]
    if early and 'mmcv.ops' not in sys.modules:
        warnings.warn(
            f'{" and ".join(early)} was imported before m3i_mm and found no '
            f'compiled ops of MMCV ({EXTENSION}): what needs them failed to '
            'import or is switched off. Import m3i_mm, which supplies them, '
            'first, e.g. at the top of the script.',
            stacklevel=3,
        )
    sys.meta_path.append(MMCVExtImporter())


def has_compiled_mmcv() -> bool:
    """Tell whether MMCV's own compiled extension is installed."""
    spec = find_spec(EXTENSION)
    return spec is not None and not isinstance(spec.loader, MMCVExtImporter)
