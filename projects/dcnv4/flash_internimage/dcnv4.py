"""Deformable convolution v4 (arXiv 2401.06197, section 3).

::

    value          = value_proj(x)
    offset, mask   = offset_mask(depth-wise conv(x))
    y              = output_proj(sum_p mask_p * bilinear(value, location_p))

The mask is what the layer says: unlike in DCNv3 no softmax bounds it. One
projection gives offsets and masks of all groups, group by group: for each, the
K offsets (x before y), then the K factors. Its width is a multiple of 8.
"""

from __future__ import annotations

from torch import Tensor, nn

from m3i_mm.ops import Layout, dcnv3_from_prediction
from m3i_mm.registry import MODELS

__all__ = ['DCNv4', 'dcnv4']

# The projection is padded to this, for aligned rows.
_ALIGNMENT = 8


def dcnv4(
    value: Tensor,
    offset_mask: Tensor,
    kernel_size: int = 3,
    padding: int = 1,
    dilation: int = 1,
    groups: int = 1,
    offset_scale: float = 1.0,
    remove_center: bool = False,
    backend: str = 'auto',
) -> Tensor:
    """Sample K points per group and sum them with unbounded factors.

    Equation 1 of the paper: that of DCNv3 with other factors. So it runs on
    all backends of :func:`m3i_mm.ops.dcnv3`. Triton's kernels read offsets and
    factors where they lie, and write their gradient in the same order.

    Args:
        value (Tensor): Features (B, H, W, C).
        offset_mask (Tensor): Offsets and factors (B, Ho, Wo, >= G*K*3), in
            the order that the module says; what follows is padding.
        kernel_size (int): Side of the kernel. Defaults to 3.
        padding (int): Zero padding on each side. Defaults to 1.
        dilation (int): Distance between points. Defaults to 1.
        groups (int): Number G of channel groups. Defaults to 1.
        offset_scale (float): Factor on grid and offsets. Defaults to 1.0.
        remove_center (bool): Leave out the central point.
        backend (str): See :func:`m3i_mm.ops.dcnv3`.

    Returns:
        Tensor: (B, Ho, Wo, C).

    Raises:
        ValueError: If ``offset_mask`` is too narrow, or for what
            :func:`m3i_mm.ops.dcnv3_from_prediction` refuses.
    """
    points = kernel_size**2 - int(remove_center)
    width = 3 * groups * points
    if offset_mask.shape[-1] < width:
        raise ValueError(
            f'dcnv4: offset_mask needs {width} channels for {groups} groups '
            f'of {points} points, got {offset_mask.shape[-1]}'
        )
    return dcnv3_from_prediction(
        value,
        offset_mask,
        Layout(by_group=True),
        kernel_size=kernel_size,
        padding=padding,
        dilation=dilation,
        groups=groups,
        offset_scale=offset_scale,
        remove_center=remove_center,
        backend=backend,
    )


@MODELS.register_module()
class DCNv4(nn.Module):
    """Deformable convolution without softmax, of stride 1.

    Parameters are named as in the official code.

    Args:
        channels (int): Number of input and output channels C.
        kernel_size (int): Side of the sampling grid.
        dw_kernel_size (int, optional): Kernel of a depth-wise convolution
            before offsets and masks; none by default.
        dilation (int): Spacing of the sampling grid.
        groups (int): Number of groups G.
        offset_scale (float): Factor on the grid and the offsets.
        remove_center (bool): Leave out the central point.
        output_bias (bool): Whether the last layer has a bias.
        backend (str): See :func:`m3i_mm.ops.dcnv3`.

    Raises:
        ValueError: If ``channels`` is not divisible by ``groups``, or a
            kernel size is even.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        dw_kernel_size: int | None = None,
        dilation: int = 1,
        groups: int = 4,
        offset_scale: float = 1.0,
        remove_center: bool = False,
        output_bias: bool = True,
        backend: str = 'auto',
    ) -> None:
        super().__init__()
        if channels % groups:
            raise ValueError(
                f'channels must be divisible by groups, got {channels} '
                f'channels and {groups} groups'
            )
        if kernel_size % 2 == 0 or (dw_kernel_size or 1) % 2 == 0:
            raise ValueError(
                'kernel_size and dw_kernel_size must be odd, got '
                f'{kernel_size} and {dw_kernel_size}'
            )
        self.settings = dict(
            kernel_size=kernel_size,
            padding=dilation * (kernel_size - 1) // 2,
            dilation=dilation,
            groups=groups,
            offset_scale=offset_scale,
            remove_center=remove_center,
            backend=backend,
        )
        self.offset_mask_dw: nn.Module | None = None
        if dw_kernel_size is not None:
            self.offset_mask_dw = nn.Conv2d(
                channels,
                channels,
                dw_kernel_size,
                padding=dw_kernel_size // 2,
                groups=channels,
            )
        width = 3 * groups * (kernel_size**2 - int(remove_center))
        padded = -(-width // _ALIGNMENT) * _ALIGNMENT
        self.offset_mask = nn.Linear(channels, padded)
        self.value_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels, bias=output_bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with no offset and a mask of zeros."""
        nn.init.zeros_(self.offset_mask.weight)
        nn.init.zeros_(self.offset_mask.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Sample and mix.

        Args:
            x (Tensor): (B, H, W, C).

        Returns:
            Tensor: (B, H, W, C).
        """
        guide = x
        if self.offset_mask_dw is not None:
            guide = self.offset_mask_dw(x.permute(0, 3, 1, 2))
            guide = guide.permute(0, 2, 3, 1)
        sampled = dcnv4(
            self.value_proj(x), self.offset_mask(guide), **self.settings
        )
        return self.output_proj(sampled)
