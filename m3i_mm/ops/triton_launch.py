"""Launching Triton kernels, and watching the launches.

Every kernel of the package starts here, so that one place knows where they
run, and a tool that counts can stand in for the device.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = [
    'Launch',
    'launch',
    'needs_wide_index',
    'observe',
    'unavailable_reason',
]

# Elements that 32-bit indices serve, with room for the last block's excess.
_NARROW_INDEX_LIMIT = 2**30


class Launch(NamedTuple):
    """A kernel and what it is started with; see :func:`launch`.

    Args:
        kernel (Any): Triton's function.
        grid (tuple[int, ...]): Programs in up to three dimensions.
        tensors (tuple[Tensor | None]): Its first arguments.
        scalars (tuple[float]): The next ones.
        constants (dict): What it is compiled for, by name.
    """

    kernel: Any
    grid: tuple[int, ...]
    tensors: tuple[Tensor | None, ...]
    scalars: tuple[float, ...]
    constants: dict[str, Any]

    @property
    def programs(self) -> int:
        """How many programs it is started as."""
        return math.prod(self.grid)

    @property
    def name(self) -> str:
        """The operator of the kernel and the kernel's own name."""
        operator = self.kernel.fn.__module__.split('.')[-2]
        return f'{operator}.{self.kernel.fn.__name__}'


Observer = Callable[[Launch], None]
_observers: list[Observer] = []


def unavailable_reason(device: torch.device) -> str | None:
    """Return why no kernel can run on ``device``, or None."""
    if _observers:
        return None
    if not _is_installed():
        return 'triton is not installed'
    if device.type != 'cuda' and not (
        device.type == 'cpu' and _is_interpreted()
    ):
        return f'its kernels need a GPU, the tensors are on {device.type}'
    return None


@functools.cache
def _is_installed() -> bool:
    return find_spec('triton') is not None


def _is_interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, on the CPU."""
    return os.environ.get('TRITON_INTERPRET') == '1'


def needs_wide_index(*tensors: Tensor) -> bool:
    """Whether some element lies beyond what 32-bit indices reach."""
    return max(t.numel() for t in tensors) >= _NARROW_INDEX_LIMIT


def launch(
    kernel: Any,
    programs: int | tuple[int, ...],
    tensors: tuple[Tensor | None, ...],
    *scalars: float,
    **constants: Any,
) -> None:
    """Start a kernel on the device of its tensors.

    Args:
        kernel (Any): Kernel whose first arguments are the tensors.
        programs (int | tuple[int, ...]): How many, in up to three dimensions.
        tensors (tuple[Tensor]): What it reads and writes; None for what a
            variant of the kernel does without.
        *scalars (float): The numbers after the tensors.
        **constants: What it is compiled for, and ``num_warps``.
    """
    grid = (programs,) if isinstance(programs, int) else programs
    if _observers:
        seen = Launch(kernel, grid, tensors, scalars, constants)
        for observer in _observers:
            observer(seen)
        return
    device = next(t.device for t in tensors if t is not None)
    with _on_device(device):
        kernel[grid](*tensors, *scalars, **constants)


@contextlib.contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Call ``observer`` instead of any kernel, on any device.

    The outputs stay as they were allocated, so this is for tensors without
    data (``FakeTensorMode``).

    Args:
        observer (Callable): Takes a :class:`Launch`.

    Yields:
        None: While kernels are not run.
    """
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def _on_device(device: torch.device) -> contextlib.AbstractContextManager:
    """Triton launches on the current device, whatever the tensors are on."""
    if device.type == 'cuda':
        return torch.cuda.device(device)
    return contextlib.nullcontext()
