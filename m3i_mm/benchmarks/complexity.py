"""Parameters and multiply-accumulate operations of a model.

The papers' "FLOPs" are multiply-accumulates of convolutions, linear layers
and attention; norms and activations do not count. DCNv3 adds 5 for each
sampled value, as in the official count of InternImage.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from m3i_mm.models.internimage import DCNv3
from m3i_mm.runs.building import build_model

__all__ = ['Complexity', 'build_without_memory', 'count_complexity']

# Four neighbours of a bilinear sample, and the mask
_MACS_PER_SAMPLE = 5


class Complexity(NamedTuple):
    """Size of a model and of one forward pass.

    Args:
        parameters (int): Number of parameters.
        macs (int): Multiply-accumulate operations of one image.
    """

    parameters: int
    macs: int


def build_without_memory(config: Config, part: str) -> nn.Module:
    """Build what a config describes, or its backbone, on the meta device.

    Args:
        config (Config): Config of a classifier, or of any model with a
            backbone, for instance a detector.
        part (str): ``'model'`` or ``'backbone'``.

    Returns:
        nn.Module: In evaluation mode, without weights.

    Raises:
        ConfigError: If the config has no such part or it cannot be built.
    """
    try:
        with torch.device('meta'):
            return build_model(config, part).eval()
    except RuntimeError as error:
        if 'meta tensors' not in str(error):
            raise
    # constructors that read values of tensors, such as MMPretrain's ResNet
    return build_model(config, part).to('meta').eval()


def count_complexity(
    model: nn.Module, image_size: tuple[int, int]
) -> Complexity:
    """Count without computing, if the model is on the meta device.

    Args:
        model (nn.Module): Takes images (B, 3, H, W).
        image_size (tuple[int, int]): Height and width of the image.

    Returns:
        Complexity: Parameters and multiply-accumulates.
    """
    sampled = 0

    def count_samples(module: DCNv3, inputs: object, output: Tensor) -> None:
        nonlocal sampled
        points = module.kernel_size**2 - int(module.remove_center)
        sampled += output.numel() * points

    hooks = [
        module.register_forward_hook(count_samples)
        for module in model.modules()
        if isinstance(module, DCNv3)
    ]
    parameters = list(model.parameters())
    images = torch.zeros(1, 3, *image_size, device=parameters[0].device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(images)
    for hook in hooks:
        hook.remove()
    return Complexity(
        parameters=sum(parameter.numel() for parameter in parameters),
        # PyTorch counts a multiply-accumulate as two operations
        macs=counter.get_total_flops() // 2 + _MACS_PER_SAMPLE * sampled,
    )
