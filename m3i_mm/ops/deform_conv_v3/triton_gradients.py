"""The gradients of DCNv3 by Triton kernels, of input, offset and mask.

Those of offset and mask are sums over channels, one to a program. That of the
input is gathered by tiles, see :mod:`.triton_gather`, and written once in its
own dtype. What no window of a tile reaches is added atomically in float32, see
:mod:`.triton_far`: to what was gathered where that is float32 as well,
otherwise to zeros, of which marked tiles then read their part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from m3i_mm.ops.triton_launch import launch

from .determinism import refuse_if_deterministic
from .geometry import Geometry
from .triton_constants import (
    compute_dtype,
    has_aligned_pairs,
    import_kernels,
    row_grid,
    sampling_constants,
    tile_constants,
)
from .triton_sources import Sources
from .triton_windows import (
    CHUNK,
    TILE_HEIGHT,
    TILE_WIDTH,
    Windows,
    choose_windows,
)

__all__ = ['Sampling', 'add_gradients', 'gather_gradients']

# Warps of a program that has several, its values if it adds, and its bytes if
# it adds nothing: a load of 16 bytes a thread.
_WARPS = 4
_ADDED_VALUES = 1024
_BYTES = 2 * 16 * 32 * _WARPS
# Channels of a program of the gather kernel: what registers hold, and no fewer
# than tensor cores multiply.
_MOST_CHANNELS = 32
_FEWEST_CHANNELS = 16
_NO_POINTS = (None, None, None)


class Sampling(NamedTuple):
    """What a forward pass sampled, and the gradient of its output.

    Args:
        input (Tensor): Shape (N, H, W, C).
        sources (Sources): Where from.
        output (Tensor, optional): Shape (N, Ho, Wo, C), for the gradients
            of a softmax and a gate.
        log_sum (Tensor, optional): Of the exponentials of a softmax, shape
            (N, Ho, Wo, G).
        grad_output (Tensor): Shape (N, Ho, Wo, C).
        geometry (Geometry): The constants of the call.
    """

    input: Tensor
    sources: Sources
    output: Tensor | None
    log_sum: Tensor | None
    grad_output: Tensor
    geometry: Geometry

    @property
    def points(self) -> tuple[Tensor | None, ...]:
        """What the kernels read of each row."""
        return *self.sources.points(self.geometry), self.log_sum


def gather_gradients(
    sampling: Sampling, of_input: bool, of_points: bool
) -> tuple[Tensor | None, Sources | None]:
    """Return the gradients, that of the input by tiles.

    It is deterministic on small maps. Under
    ``torch.use_deterministic_algorithms(True)`` it is on all, for every tile
    then visits all positions, which takes long on large ones.

    Args:
        sampling (Sampling): The tensors.
        of_input (bool): Whether the input's gradient is wanted.
        of_points (bool): Whether those of offset and mask are.

    Returns:
        tuple[Tensor | None, Sources | None]: Of the input and its sources, in
        their dtypes; None where it is not asked for.
    """
    points = _points(sampling) if of_points else None
    if not of_input:
        return None, points
    gradient = torch.empty_like(sampling.input)
    windows = choose_windows(
        sampling.geometry,
        *sampling.grad_output.shape[1:3],
        whole=torch.are_deterministic_algorithms_enabled(),
    )
    if windows.whole:
        _gather(sampling, gradient, windows)
    elif gradient.dtype == compute_dtype(gradient):
        _gather(sampling, gradient, windows)
        _add_far(sampling, gradient, windows)
    else:
        far = torch.zeros_like(gradient, dtype=compute_dtype(gradient))
        marks = far.new_zeros(
            _tile_count(sampling) * sampling.geometry.groups, dtype=torch.int32
        )
        _add_far(sampling, far, windows, marks)
        _gather(sampling, gradient, windows, far, marks)
    return gradient, points


def add_gradients(
    sampling: Sampling, of_input: bool, of_points: bool
) -> tuple[Tensor | None, Sources | None]:
    """Return the gradients, that of the input by atomic additions alone.

    See :func:`gather_gradients`. Last bits depend on the order of additions.

    Raises:
        RuntimeError: Under ``torch.use_deterministic_algorithms(True)``.
    """
    if not of_input:
        return None, _points(sampling) if of_points else None
    refuse_if_deterministic('triton_atomic')
    input, sources, output, _, grad_output, geometry = sampling
    total = torch.zeros_like(input, dtype=compute_dtype(input))
    gradient = sources.new_gradient(geometry) if of_points else None
    block = _channel_block(sampling)
    _launch_rows(
        'backward_kernel',
        max(1, _ADDED_VALUES // block),
        (
            *(input, *sampling.points, output, grad_output, total),
            *(gradient.points(geometry) if gradient else _NO_POINTS),
        ),
        sampling,
        BLOCK_CHANNELS=block,
        TILE=_ADDED_VALUES,
        POINTS_GRADIENT=of_points,
        num_warps=_WARPS,
    )
    return total.to(input.dtype), gradient


def _tile_count(sampling: Sampling) -> int:
    batch, height, width, _ = sampling.input.shape
    return batch * -(-height // TILE_HEIGHT) * -(-width // TILE_WIDTH)


def _gather(
    sampling: Sampling,
    gradient: Tensor,
    windows: Windows,
    far: Tensor | None = None,
    marks: Tensor | None = None,
) -> None:
    """Write the gradient of the input, with what is far if that is given."""
    input, sources, _, _, grad_output, geometry = sampling
    channels = input.shape[3] // geometry.groups
    block = max(
        _FEWEST_CHANNELS, min(_MOST_CHANNELS, _channel_block(sampling))
    )
    launch(
        import_kernels().gather_kernel,
        _tile_count(sampling) * geometry.groups * -(-channels // block),
        (*sampling.points, grad_output, far, marks, gradient),
        *input.shape[1:3],
        *grad_output.shape[1:3],
        windows.across,
        windows.down,
        **sampling_constants(geometry, input, sources, grad_output),
        BLOCK_CHANNELS=block,
        WHOLE=windows.whole,
        REACH=windows.reach,
        TILE_HEIGHT=TILE_HEIGHT,
        TILE_WIDTH=TILE_WIDTH,
        CHUNK=CHUNK,
        CHUNK_WIDTH=windows.chunk_width,
        PRECISION=_precision(input.dtype),
        num_warps=1,
    )


def _precision(dtype: torch.dtype) -> str:
    """Return how the gather kernel multiplies matrices.

    That is three products of 11 bits for float32, as exact as float32, and one
    for half precision. Only NVIDIA's tensor cores have these.
    """
    if dtype == torch.float64 or torch.version.hip is not None:
        return 'ieee'
    return 'tf32x3' if dtype == torch.float32 else 'tf32'


def _points(sampling: Sampling) -> Sources:
    """Return the gradient of what the samples were made of."""
    input, sources, output, _, grad_output, geometry = sampling
    gradient = sources.new_gradient(geometry)
    block = _channel_block(sampling)
    tile = _BYTES // input.element_size()
    rows = max(1, tile // block)
    _launch_rows(
        'points_kernel',
        rows,
        (
            *(input, *sampling.points, output, grad_output),
            *gradient.points(geometry),
        ),
        sampling,
        BLOCK_CHANNELS=block,
        TILE=tile,
        **tile_constants(geometry, grad_output, rows),
        PACKED=input.dtype == torch.bfloat16
        and input.shape[3] // geometry.groups % 2 == 0
        and has_aligned_pairs(input)
        and has_aligned_pairs(grad_output),
        num_warps=_WARPS,
    )
    return gradient


def _add_far(
    sampling: Sampling,
    far: Tensor,
    windows: Windows,
    marks: Tensor | None = None,
) -> None:
    """Add what is outside of the windows to ``far``, and mark its tiles."""
    _launch_rows(
        'far_kernel',
        CHUNK,
        (*sampling.points, sampling.grad_output, far, marks),
        sampling,
        windows.height,
        windows.width,
        BLOCK_CHANNELS=_channel_block(sampling),
        REACH=windows.reach,
        TILE_HEIGHT=TILE_HEIGHT,
        TILE_WIDTH=TILE_WIDTH,
        ROWS=CHUNK,
        num_warps=1,
    )


def _channel_block(sampling: Sampling) -> int:
    channels = sampling.input.shape[3] // sampling.geometry.groups
    return import_kernels().triton.next_power_of_2(channels)


def _launch_rows(
    name: str,
    rows: int,
    tensors: tuple[Tensor | None, ...],
    sampling: Sampling,
    *scalars: int,
    **constants: Any,
) -> None:
    """Launch a kernel whose programs have so many rows each."""
    input, sources, _, _, grad_output, geometry = sampling
    lines, columns = (
        constants.get(name, 0) for name in ('TILE_LINES', 'TILE_COLUMNS')
    )
    launch(
        getattr(import_kernels(), name),
        row_grid(geometry, grad_output, rows, lines, columns),
        tensors,
        grad_output.numel() * geometry.groups // input.shape[3],
        *input.shape[1:3],
        *grad_output.shape[1:3],
        *scalars,
        **sampling_constants(geometry, input, sources, grad_output),
        **constants,
    )
