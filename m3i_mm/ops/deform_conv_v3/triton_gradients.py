"""The gradients of DCNv3 by Triton kernels, of input, offset and mask.

Those of offset and mask are sums over channels, one to a program. That of the
input is gathered by tiles, see :mod:`.triton_gather`, and written once in its
own dtype. What no window of a tile reaches is added atomically in float32, see
:mod:`.triton_far`: to what was gathered where that is float32 as well,
otherwise to zeros, of which marked tiles then read their part.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

from m3i_mm.ops.triton_launch import launch

from .geometry import Geometry
from .triton_constants import (
    compute_dtype,
    has_aligned_pairs,
    import_kernels,
    sampling_constants,
    tile_constants,
)
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


class Sampling(NamedTuple):
    """What a forward pass sampled, and the gradient of its output.

    Args:
        input (Tensor): Shape (N, H, W, C).
        offset (Tensor): Shape (N, Ho, Wo, G*P*2).
        mask (Tensor): Shape (N, Ho, Wo, G*P).
        grad_output (Tensor): Shape (N, Ho, Wo, C).
        geometry (Geometry): The constants of the call.
    """

    input: Tensor
    offset: Tensor
    mask: Tensor
    grad_output: Tensor
    geometry: Geometry


def gather_gradients(
    sampling: Sampling, of_input: bool, of_points: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients, that of the input by tiles.

    It is deterministic on small maps. Under
    ``torch.use_deterministic_algorithms(True)`` it is on all, for every tile
    then visits all positions, which takes long on large ones.

    Args:
        sampling (Sampling): The tensors.
        of_input (bool): Whether the input's gradient is wanted.
        of_points (bool): Whether those of offset and mask are.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Of input, offset and mask, in their
        dtypes; those that are not asked for are empty.
    """
    points = _points(sampling, of_points)
    if not of_input:
        return sampling.input.new_empty(0), *points
    gradient = torch.empty_like(sampling.input)
    windows = choose_windows(
        sampling.geometry,
        *sampling.mask.shape[1:3],
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
    return gradient, *points


def add_gradients(
    sampling: Sampling, of_input: bool, of_points: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients, that of the input by atomic additions alone.

    See :func:`gather_gradients`. Last bits depend on the order of additions.

    Raises:
        RuntimeError: Under ``torch.use_deterministic_algorithms(True)``.
    """
    if not of_input:
        return sampling.input.new_empty(0), *_points(sampling, of_points)
    _warn_of_nondeterminism()
    input, offset, mask, grad_output, _ = sampling
    total = torch.zeros_like(input, dtype=compute_dtype(input))
    of_offset, of_mask = _allocate_for_points(sampling, of_points)
    block = _channel_block(sampling)
    _launch_rows(
        'backward_kernel',
        max(1, _ADDED_VALUES // block),
        (input, offset, mask, grad_output, total, of_offset, of_mask),
        sampling,
        BLOCK_CHANNELS=block,
        TILE=_ADDED_VALUES,
        POINTS_GRADIENT=of_points,
        num_warps=_WARPS,
    )
    return total.to(input.dtype), of_offset, of_mask


def _allocate_for_points(
    sampling: Sampling, wanted: bool
) -> tuple[Tensor, Tensor]:
    offset, mask = sampling.offset, sampling.mask
    return (
        offset.new_empty(offset.shape if wanted else 0),
        mask.new_empty(mask.shape if wanted else 0),
    )


def _warn_of_nondeterminism() -> None:
    """Raise or warn as PyTorch's own operators do in deterministic mode."""
    if not torch.are_deterministic_algorithms_enabled():
        return
    message = (
        "dcnv3: the gradient of the input by the backend 'triton_atomic' has "
        "no deterministic implementation, backend='triton' has one"
    )
    if not torch.is_deterministic_algorithms_warn_only_enabled():
        raise RuntimeError(message)
    warnings.warn(message, stacklevel=2)


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
    input, offset, mask, grad_output, geometry = sampling
    channels = input.shape[3] // geometry.groups
    block = max(
        _FEWEST_CHANNELS, min(_MOST_CHANNELS, _channel_block(sampling))
    )
    launch(
        import_kernels().gather_kernel,
        _tile_count(sampling) * geometry.groups * -(-channels // block),
        (offset, mask, grad_output, far, marks, gradient),
        *input.shape[1:3],
        *mask.shape[1:3],
        windows.across,
        windows.down,
        **sampling_constants(geometry, input, offset, grad_output),
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


def _points(sampling: Sampling, wanted: bool) -> tuple[Tensor, Tensor]:
    """Return the gradients of offset and mask, or empty ones."""
    input, offset, mask, grad_output, geometry = sampling
    of_offset, of_mask = _allocate_for_points(sampling, wanted)
    if wanted:
        block = _channel_block(sampling)
        tile = _BYTES // input.element_size()
        _launch_rows(
            'points_kernel',
            max(1, tile // block),
            (input, offset, mask, grad_output, of_offset, of_mask),
            sampling,
            BLOCK_CHANNELS=block,
            TILE=tile,
            **tile_constants(geometry, mask, max(1, tile // block)),
            PACKED=input.dtype == torch.bfloat16
            and input.shape[3] // geometry.groups % 2 == 0
            and has_aligned_pairs(input)
            and has_aligned_pairs(grad_output),
            num_warps=_WARPS,
        )
    return of_offset, of_mask


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
        (sampling.offset, sampling.mask, sampling.grad_output, far, marks),
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
    input, offset, mask, grad_output, geometry = sampling
    row_count = mask.numel() // geometry.taps
    launch(
        getattr(import_kernels(), name),
        -(-row_count // rows),
        tensors,
        row_count,
        *input.shape[1:3],
        *mask.shape[1:3],
        *scalars,
        **sampling_constants(geometry, input, offset, grad_output),
        **constants,
    )
