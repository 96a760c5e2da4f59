"""Triton kernels of DCNv3, forward and backward.

A row is one group of one output position. Rows are numbered as they lie in
memory, so a program owns a contiguous piece of output, offset and mask, and
reads ``Cg`` contiguous channels of each sampled pixel. The arithmetic is in
float32 (float64 for float64 inputs). As in the official CUDA kernel, the
pixel below a location is its floor, hence the right-hand derivative at integer
locations, and a point counts only strictly within one pixel of the input.

Each gradient of offset and mask is written by one program. The gradient of
the input is gathered by tiles of it (:mod:`.triton_gather`, and for what is
far :mod:`.triton_far`), or summed by atomic additions, whose order is not
determined (:mod:`.triton_backward`).

A thread has parts of the first and of the second half of a row, so that what a
tap computes for the row serves twice as many channels as one load brings.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .triton_backward import backward_kernel
from .triton_far import far_kernel
from .triton_forward import forward_kernel
from .triton_gather import gather_kernel
from .triton_points_gradient import points_kernel

__all__ = [
    'backward_kernel',
    'far_kernel',
    'forward_kernel',
    'gather_kernel',
    'points_kernel',
    'tl',
    'triton',
]
