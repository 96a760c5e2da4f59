"""The one place that says which DCNv3 backends exist and which one runs.

A backend is a module with two functions: ``run(input, offset, mask,
geometry)`` computes the operator from checked arguments, and
``unavailable_reason(device)`` returns why it cannot run there, or None. Some
also have ``run_prediction(input, prediction, layout, geometry)``, which
computes it from a prediction as a whole.
"""

from __future__ import annotations

from types import ModuleType

import torch
from mmengine.logging import print_log

from . import (
    gather_backend,
    mmcv_backend,
    official_backend,
    torch_backend,
    triton_atomic_backend,
    triton_backend,
)

__all__ = ['BACKENDS', 'available_backends', 'select_backend']

BACKENDS: dict[str, ModuleType] = {
    # in the order in which `auto` prefers them; the last two run everywhere
    'triton': triton_backend,
    'official': official_backend,
    'mmcv': mmcv_backend,
    'triton_atomic': triton_atomic_backend,
    'torch': torch_backend,
    'gather': gather_backend,
}

# Have deterministic gradients on a GPU, on all maps where PyTorch's mode asks.
_DETERMINISTIC = ('triton', 'torch')

_announced: set[tuple[str, str]] = set()


def available_backends(device: str | torch.device) -> list[str]:
    """Return the names of the backends that run on ``device``.

    Args:
        device (str | torch.device): For example ``'cuda'``.

    Returns:
        list[str]: The names, in the order in which ``auto`` prefers them.
    """
    device = torch.device(device)
    return [
        name
        for name, backend in BACKENDS.items()
        if backend.unavailable_reason(device) is None
    ]


@torch.compiler.assume_constant_result
def select_backend(name: str, device_type: str) -> str:
    """Return the name of the backend to run, and say once what ``auto`` took.

    Args:
        name (str): A backend, or ``'auto'`` for the first one that runs on
            the device. Under ``torch.use_deterministic_algorithms(True)``
            that is ``triton`` or ``torch``, which can be deterministic; with
            ``warn_only`` the fastest stays.
        device_type (str): Type of the tensors' device.

    Returns:
        str: A key of :data:`BACKENDS`.

    Raises:
        ValueError: If there is no such backend.
        RuntimeError: If it cannot run on the device or is not installed.
    """
    if name == 'auto':
        return _choose(device_type)
    if name not in BACKENDS:
        raise ValueError(
            f'dcnv3: unknown backend {name!r}, choose auto, '
            f'{", ".join(BACKENDS)}'
        )
    reason = BACKENDS[name].unavailable_reason(torch.device(device_type))
    if reason is not None:
        raise RuntimeError(
            f'dcnv3: backend {name!r} cannot run: {reason}. Available for '
            f'{device_type}: {", ".join(available_backends(device_type))}'
        )
    return name


def _choose(device_type: str) -> str:
    names = available_backends(device_type)
    if (
        torch.are_deterministic_algorithms_enabled()
        and not torch.is_deterministic_algorithms_warn_only_enabled()
    ):
        names = [name for name in names if name in _DETERMINISTIC]
    name = names[0]
    if (name, device_type) not in _announced:
        _announced.add((name, device_type))
        print_log(
            f'dcnv3: using the {name} backend on {device_type}',
            logger='current',
        )
    return name
