"""Where DCNv3 samples: the constants of one call and what they imply.

With kernel size ``K``, stride ``s``, padding ``p``, dilation ``d``, offset
scale ``r`` and ``half = d (K - 1) // 2``, tap ``(i, j)`` of the output
position ``(oy, ox)`` reads the input at

    x = ox s - p + half + r (i d - half + offset_x)
    y = oy s - p + half + r (j d - half + offset_y)

in pixels. ``i`` (along the width) is the slow index of the ``K * K`` taps and
``j`` (along the height) the fast one. The offset scale multiplies the regular
grid as well as the learned offset.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['Geometry']


class Geometry(NamedTuple):
    """The constants of a DCNv3 call.

    Args:
        kernel_size (int): Side ``K`` of the square kernel.
        stride (int): Distance between output positions, in pixels.
        padding (int): Zero padding on each side, in pixels.
        dilation (int): Distance between taps, in pixels.
        groups (int): Groups ``G`` of channels with their own offsets.
        offset_scale (float): Factor on the regular grid and the offsets.
        remove_center (bool): Whether the central tap is left out.
    """

    kernel_size: int
    stride: int
    padding: int
    dilation: int
    groups: int
    offset_scale: float
    remove_center: bool

    @property
    def taps(self) -> int:
        """Number ``P`` of sampling points per group and position."""
        return self.kernel_size**2 - int(self.remove_center)

    @property
    def half(self) -> int:
        """Distance from the first tap to the kernel's centre, in pixels."""
        return self.dilation * (self.kernel_size - 1) // 2

    @property
    def origin(self) -> int:
        """Coordinate of the first output position's kernel centre."""
        return self.half - self.padding

    def regular_grid(self) -> tuple[list[int], list[int]]:
        """Return x and y of the ``P`` taps relative to the kernel's centre.

        They are in pixels and not yet multiplied by the offset scale.
        """
        side = range(self.kernel_size)
        taps = [
            (i * self.dilation - self.half, j * self.dilation - self.half)
            for i in side
            for j in side
        ]
        if self.remove_center:
            del taps[len(taps) // 2]
        return [x for x, _ in taps], [y for _, y in taps]

    def locations(self, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and y of all sampling points in pixels.

        Args:
            offset (Tensor): Shape (N, Ho, Wo, G, P*2).

        Returns:
            tuple[Tensor, Tensor]: Two of shape (N, Ho, Wo, G, P).
        """
        tap_x, tap_y = (
            self.offset_scale * offset.new_tensor(taps)
            for taps in self.regular_grid()
        )
        center_y, center_x = (
            torch.arange(size, dtype=offset.dtype, device=offset.device)
            .mul(self.stride)
            .add(self.origin)
            for size in offset.shape[1:3]
        )
        # (N, Ho, Wo, G, P*2) -> (N, Ho, Wo, G, P)
        offset_x, offset_y = offset.unflatten(-1, (self.taps, 2)).unbind(-1)
        base_x = center_x.view(-1, 1, 1) + tap_x
        base_y = center_y.view(-1, 1, 1, 1) + tap_y
        return (
            torch.add(base_x, offset_x, alpha=self.offset_scale),
            torch.add(base_y, offset_y, alpha=self.offset_scale),
        )

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return ``(Ho, Wo)`` for an input of ``height`` by ``width``."""
        extent = self.dilation * (self.kernel_size - 1) + 1
        return (
            (height + 2 * self.padding - extent) // self.stride + 1,
            (width + 2 * self.padding - extent) // self.stride + 1,
        )

    def check(self, input: Tensor, offset: Tensor, mask: Tensor) -> None:
        """Raise an error that names the first argument that does not fit.

        Raises:
            ValueError: On a constant out of range or a shape that does not
                follow from the others.
            TypeError: On a tensor that is not of floating point, or a
                constant that is not an int.
            RuntimeError: If the tensors are on different devices.
        """
        self.check_constants()
        tensors = {'input': input, 'offset': offset, 'mask': mask}
        for name, tensor in tensors.items():
            if tensor.dim() != 4:
                raise ValueError(
                    f'dcnv3: {name} must have 4 dimensions (N, H, W, '
                    f'channels), got shape {tuple(tensor.shape)}'
                )
            if not tensor.is_floating_point():
                raise TypeError(
                    f'dcnv3: {name} must be of floating point, '
                    f'got {tensor.dtype}'
                )
            if tensor.device != input.device:
                raise RuntimeError(
                    f'dcnv3: {name} is on {tensor.device}, '
                    f'but input is on {input.device}'
                )
        self._check_shapes(input, offset, mask)

    def check_constants(self) -> None:
        """Raise an error that names the first constant that does not fit.

        Raises:
            ValueError: On a constant out of range.
            TypeError: On one that is not an int.
        """
        smallest = dict(
            kernel_size=1, stride=1, padding=0, dilation=1, groups=1
        )
        for name, minimum in smallest.items():
            value = getattr(self, name)
            if not isinstance(value, int):
                raise TypeError(
                    f'dcnv3: {name} must be one int for both directions, '
                    f'got {value!r}'
                )
            if value < minimum:
                raise ValueError(
                    f'dcnv3: {name} must be at least {minimum}, got {value}'
                )
        if self.remove_center and self.kernel_size % 2 == 0:
            raise ValueError(
                'dcnv3: remove_center needs an odd kernel_size, because an '
                f'even one has no centre, got {self.kernel_size}'
            )

    def _check_shapes(
        self, input: Tensor, offset: Tensor, mask: Tensor
    ) -> None:
        batch, height, width, channels = input.shape
        if channels % self.groups:
            raise ValueError(
                f'dcnv3: the {channels} channels of input cannot be divided '
                f'into groups={self.groups}'
            )
        out_height, out_width = self.output_size(height, width)
        if out_height < 0 or out_width < 0:
            raise ValueError(
                f'dcnv3: an input of {height}x{width} is smaller than the '
                f'kernel (kernel_size={self.kernel_size}, dilation='
                f'{self.dilation}, padding={self.padding})'
            )
        values = {'offset': 2, 'mask': 1}
        for (name, per_tap), tensor in zip(
            values.items(), (offset, mask), strict=True
        ):
            expected = (
                batch,
                out_height,
                out_width,
                self.groups * self.taps * per_tap,
            )
            if tensor.shape != expected:
                raise ValueError(
                    f'dcnv3: {name} must have the shape {expected} (N, Ho, '
                    f'Wo, groups * {self.taps} taps'
                    f'{" * 2" if per_tap == 2 else ""}), '
                    f'got {tuple(tensor.shape)}'
                )
