"""Deformable convolution v3 as a layer (InternImage, section 3.1).

::

    projected = input_proj(x)
    guide     = GELU(norm(depth-wise conv(x)))
    sampled   = dcnv3(projected, offset(guide), softmax(mask(guide)))
    y         = output_proj(mix(sampled, projected, gate(guide)))

One matrix product gives offset, mask and gate; softmax, sampling and mixing
are :func:`m3i_mm.ops.dcnv3_from_prediction`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from m3i_mm.models.utils.linear import is_plain_linear, linear_together
from m3i_mm.models.utils.norm import build_norm
from m3i_mm.ops import Layout, dcnv3_from_prediction
from m3i_mm.registry import MODELS

__all__ = ['DCNv3']


@MODELS.register_module()
class DCNv3(nn.Module):
    """Deformable convolution with grouped, soft-maxed modulation.

    Each of ``groups`` groups samples ``kernel_size ** 2`` points around every
    output position, at offsets and with weights predicted from the input.
    Parameters are named as in the official code.

    Args:
        channels (int): Number of input and output channels C.
        kernel_size (int): Side of the sampling grid.
        dw_kernel_size (int, optional): Kernel of the depth-wise convolution
            that feeds offset and mask. Defaults to ``kernel_size``.
        stride (int): Distance of neighbouring outputs.
        dilation (int): Spacing of the sampling grid.
        groups (int): Number of groups G; each has C / G channels.
        offset_scale (float): Factor on the grid and the predicted offsets.
        center_feature_scale (bool): Mix the sampled value with the projected
            input, by a gate predicted for each group.
        remove_center (bool): Leave out the central point of the grid.
        norm_layer (str): Norm after the depth-wise convolution, ``'LN'`` or
            ``'BN'``.
        backend (str): Backend of the op, see :func:`m3i_mm.ops.dcnv3`.

    Raises:
        ValueError: If ``channels`` is not divisible by ``groups``, or a
            kernel size is even.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        dw_kernel_size: int | None = None,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 4,
        offset_scale: float = 1.0,
        center_feature_scale: bool = False,
        remove_center: bool = False,
        norm_layer: str = 'LN',
        backend: str = 'auto',
    ) -> None:
        super().__init__()
        dw_kernel_size = dw_kernel_size or kernel_size
        if channels % groups:
            raise ValueError(
                f'channels must be divisible by groups, got {channels} '
                f'channels and {groups} groups'
            )
        if kernel_size % 2 == 0 or dw_kernel_size % 2 == 0:
            raise ValueError(
                'kernel_size and dw_kernel_size must be odd, got '
                f'{kernel_size} and {dw_kernel_size}'
            )
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = dilation * (kernel_size - 1) // 2
        self.dilation = dilation
        self.groups = groups
        self.offset_scale = offset_scale
        self.center_feature_scale = center_feature_scale
        self.remove_center = remove_center
        self.backend = backend

        points = groups * (kernel_size**2 - int(remove_center))
        self.dw_conv = nn.Sequential(
            nn.Conv2d(
                channels,
                channels,
                dw_kernel_size,
                stride=stride,
                padding=(dw_kernel_size - 1) // 2,
                groups=channels,
            ),
            build_norm(
                channels,
                norm_layer,
                input_format='channels_first',
                gelu=True,
                backend=backend,
            ),
        )
        self.offset = nn.Linear(channels, points * 2)
        self.mask = nn.Linear(channels, points)
        self.input_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        if center_feature_scale:
            self.center_feature_scale_proj_weight = nn.Parameter(
                torch.zeros(groups, channels)
            )
            self.center_feature_scale_proj_bias = nn.Parameter(
                torch.zeros(groups)
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as a box filter: no offset, uniform mask."""
        for layer in (self.offset, self.mask):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.input_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Sample and mix.

        Args:
            x (Tensor): (B, H, W, C).

        Returns:
            Tensor: (B, Ho, Wo, C), with ``Ho = ceil(H / stride)``.
        """
        projected = self.input_proj(x)
        guide = self.dw_conv(x.permute(0, 3, 1, 2))  # (B, Ho, Wo, C)
        out = dcnv3_from_prediction(
            projected,
            self._predict(guide),
            Layout(softmax=True, gate=self.center_feature_scale),
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            offset_scale=self.offset_scale,
            remove_center=self.remove_center,
            backend=self.backend,
        )
        return self.output_proj(out)

    def _predict(self, guide: Tensor) -> Tensor:
        """Return offsets, and logits of the mask and of a gate, as columns."""
        layers = self.offset, self.mask
        gates = []
        if self.center_feature_scale:
            gate = (
                self.center_feature_scale_proj_weight,
                self.center_feature_scale_proj_bias,
            )
            gates.append(gate)
        if all(map(is_plain_linear, layers)):
            parameters = [(layer.weight, layer.bias) for layer in layers]
            return linear_together(guide, [*parameters, *gates])
        outs = [layer(guide) for layer in layers]
        outs += [F.linear(guide, *gate) for gate in gates]
        return torch.cat(outs, dim=-1)
