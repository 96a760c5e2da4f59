"""Time, memory and bandwidth of DCNv3 at the layers of InternImage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from m3i_mm.benchmarks import baselines
from m3i_mm.models.internimage.archs import get_arch
from m3i_mm.ops.deform_conv_v3 import available_backends
from m3i_mm.ops.deform_conv_v3.backends import BACKENDS
from m3i_mm.ops.deform_conv_v3.geometry import Geometry

from .measure import measure

__all__ = [
    'COLUMNS',
    'Layer',
    'benchmark_layer',
    'contenders',
    'layers_of',
    'plot',
    'random_inputs',
]

COLUMNS = (
    'arch',
    'image',
    'stage',
    'contender',
    'forward ms',
    'backward ms',
    'total ms',
    'forward MiB',
    'total MiB',
    'of copy bandwidth',
    'failed',
)

Operator = Callable[[Tensor, Tensor, Tensor, Geometry], Tensor]


class Layer(NamedTuple):
    """The DCNv3 layers of one stage of InternImage.

    Args:
        arch (str): The variant.
        image (tuple[int, int]): Height and width of the image.
        stage (int): The stage, from 0.
        depth (int): How many such layers the stage has.
        batch (int): Images in the batch.
        height (int): Height of the map.
        width (int): Width of the map.
        channels (int): Channels of the map.
        geometry (Geometry): The constants of the operator.
    """

    arch: str
    image: tuple[int, int]
    stage: int
    depth: int
    batch: int
    height: int
    width: int
    channels: int
    geometry: Geometry

    def bytes_moved(self, dtype: torch.dtype) -> int:
        """Return what forward and backward must read and write at least.

        The forward pass reads input, offset and mask and writes the output;
        the backward pass reads these inputs and the output's gradient and
        writes three gradients.
        """
        points = self.geometry.groups * self.geometry.taps
        offset_and_mask = 3 * points
        forward = 2 * self.channels + offset_and_mask
        backward = 3 * self.channels + 2 * offset_and_mask
        positions = self.batch * self.height * self.width
        return positions * (forward + backward) * dtype.itemsize


def layers_of(
    arch: str, image: tuple[int, int], batch: int = 1
) -> Iterator[Layer]:
    """Yield the four kinds of DCNv3 layer of an InternImage.

    Args:
        arch (str): ``'tiny'``, ``'base'`` ...
        image (tuple[int, int]): Height and width of the image.
        batch (int): Images in the batch. Defaults to 1.

    Yields:
        Layer: One for each stage.
    """
    settings = get_arch(arch)
    height, width = (-(-size // 2) for size in image)
    for stage in range(4):
        height, width = -(-height // 2), -(-width // 2)
        yield Layer(
            arch,
            image,
            stage,
            settings.depths[stage],
            batch,
            height,
            width,
            settings.stage_channels[stage],
            Geometry(
                3,
                1,
                1,
                1,
                settings.groups[stage],
                settings.offset_scale,
                False,
            ),
        )


def contenders(device: torch.device) -> dict[str, Operator]:
    """Return our backends that run on the device, and their baselines."""
    return {
        **{name: BACKENDS[name].run for name in available_backends(device)},
        **{
            f'rival {name}': getattr(baselines, name)
            for name in baselines.__all__
        },
    }


def benchmark_layer(
    layer: Layer,
    operator: Operator,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    bandwidth: float | None = None,
    min_seconds: float = 0.5,
) -> dict[str, Any]:
    """Measure an operator at a layer.

    Args:
        layer (Layer): The layer.
        operator (Callable): Takes input, offset, mask and geometry.
        device (torch.device): Where to run it.
        dtype (torch.dtype): Of all tensors. Defaults to float32.
        bandwidth (float, optional): Copy bandwidth of the device in bytes per
            second; with it the result has the bandwidth of forward and
            backward pass relative to it.
        min_seconds (float): How long to repeat. Defaults to 0.5.

    Returns:
        dict: Cells of a row, by :data:`COLUMNS`. An operator that does not
        support the dtype has the error in the column ``failed``.
    """
    inputs = random_inputs(layer, device, dtype)
    call = partial(operator, *inputs, layer.geometry)
    row: dict[str, Any] = {
        'arch': layer.arch,
        'image': '{}x{}'.format(*layer.image),
        'stage': layer.stage,
    }
    try:
        with torch.no_grad():
            forward = measure(call, device, min_seconds)
        output = call()
        gradient = torch.randn_like(output)
        backward = measure(
            partial(
                torch.autograd.grad,
                output,
                inputs,
                gradient,
                retain_graph=True,
            ),
            device,
            min_seconds,
        )
        total = measure(
            lambda: torch.autograd.grad(call(), inputs, gradient),
            device,
            min_seconds,
        )
    except (RuntimeError, NotImplementedError) as error:
        return {**row, 'failed': str(error).splitlines()[0]}
    row |= {
        'forward ms': forward.milliseconds,
        'backward ms': backward.milliseconds,
        'total ms': total.milliseconds,
        'forward MiB': forward.peak_mib,
        'total MiB': total.peak_mib,
    }
    if bandwidth is not None:
        achieved = layer.bytes_moved(dtype) / total.milliseconds * 1e3
        row['of copy bandwidth'] = achieved / bandwidth
    return row


def random_inputs(
    layer: Layer, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Return input, offsets of about a pixel, and a normalised mask."""
    size = layer.batch, layer.height, layer.width
    groups, taps = layer.geometry.groups, layer.geometry.taps
    generator = torch.Generator(device).manual_seed(0)
    options: Any = dict(device=device, dtype=dtype, generator=generator)
    mask = torch.randn(*size, groups, taps, **options).softmax(-1).flatten(-2)
    return (
        torch.randn(*size, layer.channels, **options).requires_grad_(),
        torch.randn(*size, groups * taps * 2, **options).requires_grad_(),
        mask.requires_grad_(),
    )


def plot(rows: list[dict[str, Any]], path: str) -> None:
    """Draw the time of forward and backward pass of every contender.

    Args:
        rows (list[dict]): Results of :func:`benchmark_layer`, with a
            ``contender``.
        path (str): Picture to write.
    """
    import matplotlib.pyplot as plt

    rows = [row for row in rows if 'total ms' in row]
    places = list(
        dict.fromkeys((r['arch'], r['image'], r['stage']) for r in rows)
    )
    names = list(dict.fromkeys(row['contender'] for row in rows))
    figure, axes = plt.subplots(figsize=(2 + len(places), 4))
    for number, name in enumerate(names):
        times = {
            (r['arch'], r['image'], r['stage']): r['total ms']
            for r in rows
            if r['contender'] == name
        }
        axes.bar(
            [
                place + (number - (len(names) - 1) / 2) * 0.8 / len(names)
                for place in range(len(places))
            ],
            [times.get(place, 0) for place in places],
            width=0.8 / len(names),
            label=name,
        )
    axes.set_yscale('log')
    axes.set_ylabel('forward and backward, ms')
    axes.set_xticks(
        range(len(places)),
        [f'{arch}\n{image}\nstage {stage}' for arch, image, stage in places],
    )
    axes.legend()
    figure.savefig(path, bbox_inches='tight', dpi=150)
    plt.close(figure)
