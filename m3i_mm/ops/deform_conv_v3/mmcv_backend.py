"""DCNv3 by MMCV's compiled multi-scale deformable attention.

With one level, the groups as heads and the mask as attention weights, the
attention samples exactly as DCNv3 does. MMCV casts the normalised locations
to the dtype of the features, which in half precision moves the points by up
to 0.2 pixels, so everything is forced to float32 here. The kernel gets
normalised coordinates: at exactly integer sampling points rounding decides
which one-sided derivative with respect to the offset is taken.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...mmcv_importer import has_compiled_mmcv
from .determinism import refuse_if_deterministic
from .geometry import Geometry

__all__ = ['attention_arguments', 'run', 'unavailable_reason']


def unavailable_reason(device: torch.device) -> str | None:
    """Return why MMCV's kernel cannot run on ``device``, or None."""
    if device.type != 'cuda':
        return f"MMCV's kernel needs a GPU, the tensors are on {device.type}"
    if not has_compiled_mmcv():
        return 'no MMCV with compiled ops is installed'
    return None


def run(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> Tensor:
    """Compute DCNv3 as deformable attention; see :func:`.dcnv3`."""
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
    )

    with torch.autocast(input.device.type, enabled=False):
        output = MultiScaleDeformableAttnFunction.apply(
            *attention_arguments(input, offset, mask, geometry),
            len(input),  # im2col_step must divide the batch size
        )
    if output.requires_grad:
        output.register_hook(lambda _: refuse_if_deterministic('mmcv'))
    return output.unflatten(1, mask.shape[1:3]).to(input.dtype)


def attention_arguments(
    input: Tensor, offset: Tensor, mask: Tensor, geometry: Geometry
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return what deformable attention calls the same thing, in float32.

    Args:
        input (Tensor): Features of shape (N, H, W, G*Cg).
        offset (Tensor): Offsets of shape (N, Ho, Wo, G*P*2).
        mask (Tensor): Modulation of shape (N, Ho, Wo, G*P).
        geometry (Geometry): The constants of the call.

    Returns:
        tuple[Tensor, ...]: Value (N, H*W, G, Cg), spatial shapes (1, 2),
        start index of the level (1,), sampling locations in [0, 1]
        (N, Ho*Wo, G, 1, P, 2) and attention weights (N, Ho*Wo, G, 1, P).
    """
    batch, height, width, _ = input.shape
    out_height, out_width = mask.shape[1:3]
    groups, taps = geometry.groups, geometry.taps
    value = input.float().reshape(batch, height * width, groups, -1)
    x, y = geometry.locations(offset.float().unflatten(-1, (groups, taps * 2)))
    locations = torch.stack(((x + 0.5) / width, (y + 0.5) / height), dim=-1)
    spatial_shapes = torch.tensor([[height, width]], device=input.device)
    return (
        value,
        spatial_shapes,
        spatial_shapes.new_zeros(1),
        locations.flatten(1, 2).unsqueeze(3),
        mask.float().reshape(batch, out_height * out_width, groups, 1, taps),
    )
