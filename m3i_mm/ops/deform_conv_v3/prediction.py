"""Offset, mask and gate of DCNv3 as columns of one prediction.

One linear layer can give all that a position's samples are made of. Kernels
read such a tensor where it lies; for all else its parts are views.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .geometry import Geometry

__all__ = ['Layout', 'Points', 'run_on_parts']


class Points(NamedTuple):
    """The parts of a prediction, split into groups.

    Args:
        offset (Tensor): Shape (..., G, P*2).
        mask (Tensor): Shape (..., G, P).
        gate (Tensor, optional): Shape (..., G, 1).
    """

    offset: Tensor
    mask: Tensor
    gate: Tensor | None


class Layout(NamedTuple):
    """What the columns of a prediction are.

    All offsets, then all masks, then all gates, each group after group, or
    the same of one group after another. More columns are padding.

    Args:
        softmax (bool): Whether the mask is the softmax over the points of
            what is there. Defaults to False.
        gate (bool): Whether there are gates. The output is mixed with the
            central pixel of the input, whose share is the sigmoid of its
            group's gate. Defaults to False.
        by_group (bool): Whether the columns of a group lie side by side, as
            in DCNv4. Defaults to False.
    """

    softmax: bool = False
    gate: bool = False
    by_group: bool = False

    def width(self, geometry: Geometry) -> int:
        """Return the number of columns without padding."""
        return geometry.groups * sum(self._widths(geometry))

    def split(self, prediction: Tensor, geometry: Geometry) -> Points:
        """Return views of the parts.

        Args:
            prediction (Tensor): Shape (..., at least :meth:`width`).
            geometry (Geometry): The constants of the call.

        Returns:
            Points: With the leading dimensions of the prediction.
        """
        groups, widths = geometry.groups, self._widths(geometry)
        columns = prediction[..., : self.width(geometry)]
        if self.by_group:
            parts = columns.unflatten(-1, (groups, sum(widths))).split(
                widths, -1
            )
        else:
            parts = tuple(
                part.unflatten(-1, (groups, width))
                for part, width in zip(
                    columns.split([groups * width for width in widths], -1),
                    widths,
                    strict=True,
                )
            )
        offset, mask, *gate = parts
        return Points(offset, mask, gate[0] if gate else None)

    def check(self, prediction: Tensor, geometry: Geometry) -> None:
        """Raise an error that says why a prediction does not fit.

        Raises:
            ValueError: On too few columns, or a gate where outputs are not
                centred on pixels.
        """
        width = self.width(geometry)
        if prediction.dim() != 4 or prediction.shape[-1] < width:
            raise ValueError(
                'dcnv3: prediction must have the shape (N, Ho, Wo, at least '
                f'{width}), got {tuple(prediction.shape)}'
            )
        span = geometry.dilation * (geometry.kernel_size - 1)
        if self.gate and 2 * geometry.padding != span:
            raise ValueError(
                'dcnv3: a gate mixes in the pixel at the centre of the '
                f'kernel; that needs padding={span / 2:g} here, got '
                f'{geometry.padding}'
            )

    def _widths(self, geometry: Geometry) -> list[int]:
        return [2 * geometry.taps, geometry.taps, *(1,) * self.gate]


def run_on_parts(
    run: Callable[[Tensor, Tensor, Tensor, Geometry], Tensor],
    input: Tensor,
    prediction: Tensor,
    layout: Layout,
    geometry: Geometry,
) -> Tensor:
    """Compute DCNv3 from a prediction, an operator for each step.

    Args:
        run (Callable): Computes it from input, offset and mask.
        input (Tensor): Shape (N, H, W, C).
        prediction (Tensor): Shape (N, Ho, Wo, at least the layout's width).
        layout (Layout): What the columns are.
        geometry (Geometry): The constants of the call.

    Returns:
        Tensor: Shape (N, Ho, Wo, C).
    """
    offset, mask, gate = layout.split(prediction, geometry)
    if layout.softmax:
        mask = _softmax(mask).to(input.dtype)
    sampled = run(input, offset.flatten(-2), mask.flatten(-2), geometry)
    if gate is None:
        return sampled
    center = input[:, :: geometry.stride, :: geometry.stride]
    mixed = torch.lerp(
        sampled.unflatten(-1, (geometry.groups, -1)),
        center.unflatten(-1, (geometry.groups, -1)),
        gate.sigmoid(),
    )
    return mixed.flatten(-2)


def _softmax(logits: Tensor) -> Tensor:
    """Softmax over the last dimension, inside in float32 or wider."""
    device = logits.device.type
    # asking for the meta device is an error
    if device != 'meta' and torch.is_autocast_enabled(device):
        # CUDA's would copy half precision to float32
        with torch.autocast(device, enabled=False):
            return logits.softmax(-1)
    return logits.softmax(-1)
