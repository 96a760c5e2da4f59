"""DCNv3 as weighted sums of rows of a table, and the gradients of that.

A row is a group of one pixel. A border of zeros surrounds the map, so that
every point has four pixels around it, and one index says which: the pixel
above left, from which the others are a pixel, a line, or both away.

The output is a weighted sum of rows, ``embedding_bag``, for each of the four.
The gradients of offset and mask follow from the dot products of the output's
gradient with the four rows. For the gradient of the input the points are
sorted by their pixel: then it is a weighted sum of rows too, always in the
same order. So all of it is deterministic, on a GPU as well.

At exactly integer locations the gradient of the offset is the right-hand
derivative; points exactly at -1 are outside.

Tensors are split into groups, ``(N, H, W, G, k)``. The arithmetic is done in
float64 for float64 inputs and in float32 for all others.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .geometry import Geometry

__all__ = ['gradients', 'weighted_sum']


def weighted_sum(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3.

    Args:
        input (Tensor): Shape (N, H, W, G, Cg).
        offset (Tensor): Shape (N, Ho, Wo, G, P*2).
        mask (Tensor): Shape (N, Ho, Wo, G, P).
        geometry (Geometry): The constants of the call.

    Returns:
        Tensor: Shape (N, Ho, Wo, G, Cg), in the dtype of the arithmetic.
    """
    input, offset, mask = _widened(input, offset, mask)
    table = _Table.of(input)
    points = _locate(offset, table, geometry)
    # a point that is not finite must add 0 * 0, not NaN * 0
    right, down = points.right.nan_to_num(), points.down.nan_to_num()
    weights = _weights(right, down, mask.reshape(right.shape))
    sums = [
        F.embedding_bag(
            points.above_left, rows, mode='sum', per_sample_weights=weight
        )
        for rows, weight in zip(table.corners(), weights, strict=True)
    ]
    output = sums[0].add_(sums[1]).add_(sums[2]).add_(sums[3])
    return output.view(*mask.shape[:4], -1)


def gradients(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    grad_output: Tensor,
    geometry: Geometry,
) -> tuple[Tensor, Tensor, Tensor]:
    """Apply the chain rule.

    Args:
        input (Tensor): Shape (N, H, W, G, Cg).
        offset (Tensor): Shape (N, Ho, Wo, G, P*2).
        mask (Tensor): Shape (N, Ho, Wo, G, P).
        grad_output (Tensor): Shape (N, Ho, Wo, G, Cg).
        geometry (Geometry): The constants of the call.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Gradients of input, offset and mask, in
        their shapes and in the dtype of the arithmetic.
    """
    input, offset, mask, grad_output = _widened(
        input, offset, mask, grad_output
    )
    table = _Table.of(input)
    points = _locate(offset, table, geometry)
    grad = grad_output.reshape(-1, grad_output.shape[-1])
    weight = mask.reshape(points.right.shape)
    grad_input = _gradient_of_input(grad, table, points, weight)
    slopes, values = _slopes_and_values(grad, table, points)
    factor = geometry.offset_scale * weight
    grad_offset = torch.stack([slope.mul_(factor) for slope in slopes], -1)
    return grad_input, grad_offset.view(offset.shape), values.view(mask.shape)


def _widened(input: Tensor, *others: Tensor) -> Iterator[Tensor]:
    dtype = torch.promote_types(input.dtype, torch.float32)
    return (tensor.to(dtype) for tensor in (input, *others))


class _Table(NamedTuple):
    """Rows of all pixels and groups, with a border of zeros.

    The border is one pixel to the left, which also ends the line above, one
    line above and two below. The last two begin with four zeros that belong
    to points outside.

    Args:
        rows (Tensor): Shape (N * (H+3) * (W+1) * G, Cg).
        shape (torch.Size): Of the map, (N, H, W, G, Cg).
    """

    rows: Tensor
    shape: torch.Size

    @classmethod
    def of(cls, input: Tensor) -> _Table:
        """Surround a map (N, H, W, G, Cg) with zeros."""
        rows = F.pad(input, (0, 0, 0, 0, 1, 0, 1, 2))
        return cls(rows.flatten(0, 3), input.shape)

    @property
    def line(self) -> int:
        """Pixels in a line."""
        return self.shape[2] + 1

    @property
    def steps(self) -> tuple[int, int, int, int]:
        """Rows from a pixel to itself, right, below and below right."""
        groups = self.shape[3]
        return 0, groups, self.line * groups, (self.line + 1) * groups

    def corners(self) -> list[Tensor]:
        """Return the table as seen from each of the four pixels."""
        count = len(self.rows) - self.steps[-1]
        return [self.rows[step : step + count] for step in self.steps]

    def inner(self, rows: Tensor) -> Tensor:
        """Cut the border off rows like those of the table."""
        batch, height, _, groups, channels = self.shape
        padded = rows.view(batch, height + 3, self.line, groups, channels)
        return padded[:, 1 : 1 + height, 1:]


class _Points(NamedTuple):
    """Points in the table; R = N*Ho*Wo*G.

    Args:
        above_left (Tensor): Row of the pixel above left, shape (R, P). It is
            one of the border for points outside.
        right (Tensor): Distance from it along the width, of the same shape.
            It is NaN where the location is not finite.
        down (Tensor): The same along the height.
    """

    above_left: Tensor
    right: Tensor
    down: Tensor


def _locate(offset: Tensor, table: _Table, geometry: Geometry) -> _Points:
    batch, height, width, groups, _ = table.shape
    x, y = geometry.locations(offset)  # (N, Ho, Wo, G, P)
    left, top = x.floor(), y.floor()
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    count = max(len(table.rows), x.numel())
    index = torch.int32 if count < 2**31 else torch.int64
    pixel = torch.where(inside, left, -1).to(index)
    pixel.add_(torch.where(inside, top, height).to(index), alpha=table.line)
    image, group = (
        torch.arange(count, dtype=index, device=offset.device)
        for count in (batch, groups)
    )
    # of the pixel (0, 0) of each image and group
    first = image.view(-1, 1, 1, 1, 1) * (len(table.rows) // batch)
    first = first + group.view(-1, 1) + table.steps[-1]
    above_left = torch.add(first, pixel, alpha=groups)
    tensors = above_left, x.sub_(left), y.sub_(top)
    return _Points(*(tensor.flatten(0, 3) for tensor in tensors))


def _weights(right: Tensor, down: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    """Return the weights of the four pixels, in the order of the corners."""
    below = mask * down
    above = mask - below
    above_right = above * right
    below_right = below * right
    return (
        above.sub_(above_right),
        above_right,
        below.sub_(below_right),
        below_right,
    )


def _slopes_and_values(
    grad: Tensor, table: _Table, points: _Points
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Interpolate dot products with the gradient of the output.

    Args:
        grad (Tensor): Shape (R, Cg).
        table (_Table): The map.
        points (_Points): The points.

    Returns:
        tuple[tuple[Tensor, Tensor], Tensor]: Derivatives to x and y, and
        values, of shape (R, P) each.
    """
    above, above_right, below, below_right = _dot_products(
        grad, table.corners(), points.above_left
    )
    slope_above, slope_below = above_right.sub_(above), below_right.sub_(below)
    above.addcmul_(points.right, slope_above)
    below.addcmul_(points.right, slope_below)
    slope_x = slope_above.lerp_(slope_below, points.down)
    slope_y = below.sub_(above)
    return (slope_x, slope_y), above.addcmul_(points.down, slope_y)


def _gradient_of_input(
    grad: Tensor, table: _Table, points: _Points, mask: Tensor
) -> Tensor:
    """Sum the gradients that points send to their four pixels."""
    pixels, order = points.above_left.flatten().sort(stable=True)
    order = order.to(pixels.dtype)  # half as large
    source = order // mask.shape[1]  # the row of each point
    counts = torch.bincount(pixels, minlength=len(table.rows))
    ends = counts.cumsum(0, dtype=pixels.dtype)
    weights = _weights(
        *(
            tensor.flatten().index_select(0, order)
            for tensor in (points.right, points.down, mask)
        )
    )
    sums = [
        F.embedding_bag(
            source,
            grad,
            F.pad(ends, (1, 0)),
            mode='sum',
            per_sample_weights=weight,
            include_last_offset=True,
        )
        for weight in weights
    ]
    total = sums[0]
    for step, part in zip(table.steps[1:], sums[1:], strict=True):
        total[step:] += part[:-step]
    return table.inner(total)


def _dot_products(
    grad: Tensor, tables: list[Tensor], index: Tensor
) -> list[Tensor]:
    """Multiply each row by P rows of each table.

    Args:
        grad (Tensor): Shape (R, Cg).
        tables (list[Tensor]): Of shape (T, Cg) each.
        index (Tensor): Rows of the tables, shape (R, P).

    Returns:
        list[Tensor]: Shape (R, P) for each table.
    """
    if grad.device.type != 'cpu':
        return [_gathered_products(grad, rows, index) for rows in tables]
    return _sparse_products(grad, tables, index)


def _gathered_products(grad: Tensor, table: Tensor, index: Tensor) -> Tensor:
    return (table[index] * grad.unsqueeze(1)).sum(-1)


def _sparse_products(
    grad: Tensor, tables: list[Tensor], index: Tensor
) -> list[Tensor]:
    """Compute the same without rows in memory, which is fast on a CPU."""
    _ignore_beta_state()
    ends = torch.arange(
        0, index.numel() + 1, index.shape[1], dtype=index.dtype
    )
    wanted = torch.sparse_csr_tensor(
        ends,
        index.flatten(),
        grad.new_zeros(index.numel()),
        (len(index), len(tables[0])),
        check_invariants=False,
    )
    return [
        torch.sparse.sampled_addmm(wanted, grad, table.t(), beta=0)
        .values()
        .view(index.shape)
        for table in tables
    ]


@functools.cache
def _ignore_beta_state() -> None:
    """Make the first sparse tensor, whose warning says nothing here."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Sparse CSR tensor support')
        torch.sparse_csr_tensor([0, 0], [], [], (1, 1), check_invariants=False)
