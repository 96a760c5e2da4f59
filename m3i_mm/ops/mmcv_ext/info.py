"""What ``mmcv.utils.collect_env`` reports about the extension."""

from __future__ import annotations

__all__ = ['get_compiler_version', 'get_compiling_cuda_version']


def get_compiler_version() -> str:
    """Return, in place of a compiler's version, what supplies the ops."""
    return 'n/a (m3i_mm.ops.mmcv_ext)'


def get_compiling_cuda_version() -> str:
    """Return, in place of a CUDA version, what supplies the ops."""
    return 'n/a (m3i_mm.ops.mmcv_ext)'
