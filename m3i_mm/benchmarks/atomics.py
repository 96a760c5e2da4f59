"""What the gradient of the input costs in DCNv3's backward pass on a GPU.

The backward pass with and without it. The difference is what atomic additions
take, which alone write it in the backend ``triton_atomic``, or the tiles that
``triton`` has instead.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from m3i_mm.ops import dcnv3

from .dcnv3 import Layer, random_inputs
from .measure import measure

__all__ = ['COLUMNS', 'benchmark_atomics']

COLUMNS = ('arch', 'image', 'stage', 'all ms', 'without input ms', 'share')


def benchmark_atomics(
    layer: Layer,
    device: torch.device,
    dtype: torch.dtype,
    min_seconds: float = 0.5,
    backend: str = 'triton_atomic',
) -> dict[str, Any]:
    """Measure the backward pass with and without the input's gradient.

    Args:
        layer (Layer): The layer.
        device (torch.device): Where to run.
        dtype (torch.dtype): Of all tensors.
        min_seconds (float): How long to repeat. Defaults to 0.5.
        backend (str): Backend of DCNv3. Defaults to 'triton_atomic'.

    Returns:
        dict: Cells of a row, by :data:`COLUMNS`.
    """
    input, offset, mask = random_inputs(layer, device, dtype)

    def backward_of(value: Tensor, *wanted: Tensor) -> float:
        output = dcnv3(
            value, offset, mask, **layer.geometry._asdict(), backend=backend
        )
        gradient = torch.randn_like(output)
        return measure(
            lambda: torch.autograd.grad(
                output, wanted, gradient, retain_graph=True
            ),
            device,
            min_seconds,
        ).milliseconds

    everything = backward_of(input, input, offset, mask)
    without = backward_of(input.detach(), offset, mask)
    return {
        'arch': layer.arch,
        'image': '{}x{}'.format(*layer.image),
        'stage': layer.stage,
        'all ms': everything,
        'without input ms': without,
        'share': 1 - without / everything,
    }
