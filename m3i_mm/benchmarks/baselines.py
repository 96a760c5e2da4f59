"""Other exact ways to compute DCNv3, to check it and to time it against.

They take the arguments of a backend's ``run``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from m3i_mm.ops.deform_conv_v3.geometry import Geometry
from m3i_mm.ops.deform_conv_v3.mmcv_backend import attention_arguments

__all__ = ['deformable_attention', 'deformable_conv', 'grid_sample']


def grid_sample(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Sample all taps by one ``grid_sample``, as the official fallback does.

    The sampled tensor is (N*G, Cg, Ho*Wo, P), with the taps innermost.
    """
    groups, taps = geometry.groups, geometry.taps
    batch, height, width, _ = input.shape
    out_height, out_width = mask.shape[1:3]
    # (N, H, W, G*Cg) -> (N*G, Cg, H, W)
    maps = input.flatten(1, 2).transpose(1, 2)
    maps = maps.reshape(batch * groups, -1, height, width)
    x, y = geometry.locations(offset.unflatten(-1, (groups, taps * 2)))
    grid = torch.stack(
        ((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1
    )
    # (N, Ho, Wo, G, P, 2) -> (N*G, Ho*Wo, P, 2)
    grid = grid.flatten(1, 2).transpose(1, 2).flatten(0, 1)
    sampled = F.grid_sample(maps, grid, align_corners=False)
    # (N, Ho, Wo, G*P) -> (N*G, 1, Ho*Wo, P)
    weights = mask.flatten(1, 2).unflatten(-1, (groups, taps)).transpose(1, 2)
    output = (sampled * weights.flatten(0, 1).unsqueeze(1)).sum(-1)
    # (N*G, Cg, Ho*Wo) -> (N, Ho, Wo, G*Cg)
    output = output.view(batch, -1, out_height * out_width).transpose(1, 2)
    return output.unflatten(1, (out_height, out_width)).contiguous()


def deformable_conv(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 by torchvision's ``deform_conv2d``.

    Its taps run row by row with y before x, its regular grid is not scaled,
    and its weight is one for each channel.
    """
    from torchvision.ops import deform_conv2d

    K, taps = geometry.kernel_size, geometry.taps
    offset = offset.unflatten(-1, (geometry.groups, taps, 2))
    mask = mask.unflatten(-1, (geometry.groups, taps))
    scale = geometry.offset_scale
    regular_grid = offset.new_tensor(geometry.regular_grid()).t()
    offset = scale * offset + (scale - 1) * regular_grid
    if geometry.remove_center:
        # a central tap of weight zero
        center = taps // 2
        offset, mask = (
            torch.cat(
                (
                    tensor.narrow(4, 0, center),
                    torch.zeros_like(tensor.narrow(4, 0, 1)),
                    tensor.narrow(4, center, taps - center),
                ),
                dim=4,
            )
            for tensor in (offset, mask)
        )
    # (N, Ho, Wo, G, K*K, 2) -> (N, G, K, K, 2, Ho, Wo), taps transposed
    offset = offset.unflatten(4, (K, K)).permute(0, 3, 5, 4, 6, 1, 2).flip(4)
    mask = mask.unflatten(4, (K, K)).permute(0, 3, 5, 4, 1, 2)
    output = deform_conv2d(
        input.permute(0, 3, 1, 2).contiguous(),
        offset.flatten(1, 4).contiguous(),
        input.new_ones(input.shape[-1], 1, K, K),
        stride=geometry.stride,
        padding=geometry.padding,
        dilation=geometry.dilation,
        mask=mask.flatten(1, 3).contiguous(),
    )
    return output.permute(0, 2, 3, 1).contiguous()


def deformable_attention(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 by the PyTorch form of MMCV's deformable attention.

    The compiled form is the backend ``mmcv``.
    """
    from mmcv.ops.multi_scale_deform_attn import (
        multi_scale_deformable_attn_pytorch,
    )

    value, shapes, _, locations, weights = attention_arguments(
        input, offset, mask, geometry
    )
    output = multi_scale_deformable_attn_pytorch(
        value, shapes, locations, weights
    )
    return output.unflatten(1, mask.shape[1:3]).to(input.dtype)
