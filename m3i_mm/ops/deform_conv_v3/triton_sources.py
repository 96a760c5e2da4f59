"""What DCNv3's kernels read of each position: two tensors, or one."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from .geometry import Geometry
from .prediction import Layout, Points

__all__ = ['Sources']


class Sources(NamedTuple):
    """Offset and mask, or a prediction that holds both.

    Args:
        offset (Tensor): Shape (N, Ho, Wo, G*P*2), or a prediction as
            ``layout`` says; contiguous.
        mask (Tensor, optional): Shape (N, Ho, Wo, G*P), contiguous. None for
            a prediction.
        layout (Layout): What the columns of a prediction are, and whether
            masks are logits.
    """

    offset: Tensor
    mask: Tensor | None
    layout: Layout

    def points(self, geometry: Geometry) -> Points:
        """Return views of shapes (N*Ho*Wo, G, ...), whose strides count."""
        offset = self.offset.flatten(0, 2)
        if self.mask is None:
            return self.layout.split(offset, geometry)
        groups = geometry.groups
        mask = self.mask.flatten(0, 2).unflatten(-1, (groups, -1))
        return Points(offset.unflatten(-1, (groups, -1)), mask, None)

    def new_gradient(self, geometry: Geometry) -> Sources:
        """Return tensors of the same shapes: zero padding, the rest unset."""
        offset = self.offset.new_empty(self.offset.shape)
        if self.mask is not None:
            return Sources(
                offset, self.mask.new_empty(self.mask.shape), self.layout
            )
        width = self.layout.width(geometry)
        if width < offset.shape[-1]:
            offset[..., width:].zero_()
        return Sources(offset, None, self.layout)
