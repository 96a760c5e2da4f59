"""Stand-in for ``mmcv._ext``, MMCV's compiled extension.

``mmcv.ops`` wraps the functions of a compiled extension, which the MMCV
wheels on PyPI lack and which takes a compiler and half an hour to build. The
functions here have the same names, arguments and in-place outputs and compute
the same values with torchvision's compiled ops and PyTorch, on CPU and GPU.

One module holds one family of ops. :func:`get_op` looks an op up by name; see
:mod:`m3i_mm.mmcv_importer` for how it becomes ``mmcv._ext``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from mmengine.logging import print_log

from m3i_mm import OPENMMLAB_LINE

from . import (
    boxes,
    carafe,
    deform_conv,
    focal_loss,
    info,
    masked_conv,
    ms_deform_attn,
    nms,
    psamask,
    roi_align,
    roi_pool,
)

__all__ = ['get_op', 'op_names']

MODULES: tuple[ModuleType, ...] = (
    boxes,
    carafe,
    deform_conv,
    focal_loss,
    info,
    masked_conv,
    ms_deform_attn,
    nms,
    psamask,
    roi_align,
    roi_pool,
)
BUILD_TOOLS = "pip install 'setuptools<81' wheel ninja psutil"
INSTALL = 'MMCV_WITH_OPS=1 pip install --no-cache-dir --no-build-isolation'
FULL_MMCV = {
    'onedl': f'{BUILD_TOOLS} && {INSTALL} --no-deps --force-reinstall '
    'onedl-mmcv==2.3.6',
    'openmmlab': f'{BUILD_TOOLS} && pip uninstall -y mmcv-lite && {INSTALL} '
    'mmcv==2.1.0',
}


def op_names() -> list[str]:
    """Return the names of the ops that the stand-in provides."""
    return sorted(name for module in MODULES for name in module.__all__)


@functools.cache
def _log_use() -> None:
    """Say once per process that the stand-in computes MMCV's ops."""
    print_log(
        'MMCV is installed without compiled ops: m3i_mm.ops.mmcv_ext '
        'computes them with torchvision and PyTorch.',
        logger='current',
    )


def _logged(op: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(op)
    def call(*args: Any, **kwargs: Any) -> Any:
        _log_use()
        return op(*args, **kwargs)

    return call


def _missing(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f'The op {name!r} needs the compiled extension of MMCV; the '
            'stand-in of m3i_mm does not provide it. With a compiler at hand '
            f'install a full MMCV: {FULL_MMCV[OPENMMLAB_LINE]}'
        )

    call.__name__ = name
    return call


@functools.cache
def get_op(name: str) -> Callable[..., Any]:
    """Return the op of that name.

    Args:
        name (str): A function of ``mmcv._ext``.

    Returns:
        Callable: The op. For a name that the stand-in does not provide, a
        function that raises ``NotImplementedError`` when called: ``mmcv.ops``
        loads all of its functions at import, whether they are used or not.

    Raises:
        AttributeError: For private names, which no op has.
    """
    if name.startswith('_'):
        raise AttributeError(f'mmcv._ext has no attribute {name!r}')
    for module in MODULES:
        if name in module.__all__:
            return _logged(getattr(module, name))
    return _missing(name)
