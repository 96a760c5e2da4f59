"""Time and memory of InternImage, and how much of it is DCNv3."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from m3i_mm.models.internimage import InternImage
from m3i_mm.ops.deform_conv_v3.backends import BACKENDS

from .dcnv3 import benchmark_layer, layers_of
from .measure import measure

__all__ = ['COLUMNS', 'benchmark_backbone']

COLUMNS = (
    'arch',
    'image',
    'backend',
    'inference ms',
    'images/s',
    'step ms',
    'step MiB',
    'share of dcnv3',
)


def benchmark_backbone(
    arch: str,
    image: tuple[int, int],
    backend: str,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    batch: int = 1,
    min_seconds: float = 0.5,
) -> dict[str, Any]:
    """Measure inference and a training step without the optimizer.

    Args:
        arch (str): Variant of InternImage.
        image (tuple[int, int]): Height and width in pixels.
        backend (str): Backend of DCNv3.
        device (torch.device): Where to run.
        dtype (torch.dtype): float32, or a half precision for autocast.
            Defaults to float32.
        batch (int): Images in the batch. Defaults to 1.
        min_seconds (float): How long to repeat. Defaults to 0.5.

    Returns:
        dict: Cells of a row, by :data:`COLUMNS`. The share of DCNv3 is the
        time of all its layers alone, forward and backward, over the step.
    """
    model = InternImage(arch, backend=backend).to(device)
    images = torch.randn(batch, 3, *image, device=device)

    def forward() -> tuple[torch.Tensor, ...]:
        with torch.autocast(
            device.type, dtype, enabled=dtype != torch.float32
        ):
            return model(images)

    model.eval()
    with torch.no_grad():
        inference = measure(forward, device, min_seconds)
    model.train()
    step = measure(lambda: _step(model, forward()), device, min_seconds)
    core = sum(
        layer.depth
        * benchmark_layer(
            layer,
            BACKENDS[backend].run,
            device,
            dtype,
            min_seconds=min_seconds,
        )['total ms']
        for layer in layers_of(arch, image, batch)
    )
    return {
        'arch': arch,
        'image': '{}x{}'.format(*image),
        'backend': backend,
        'inference ms': inference.milliseconds,
        'images/s': batch / inference.milliseconds * 1e3,
        'step ms': step.milliseconds,
        'step MiB': step.peak_mib,
        'share of dcnv3': core / step.milliseconds,
    }


def _step(model: nn.Module, maps: tuple[torch.Tensor, ...]) -> None:
    loss = torch.stack([map_.float().mean() for map_ in maps]).sum()
    loss.backward()
    model.zero_grad()
