"""Time and peak memory of functions, and tables of them.

Times are medians of :class:`torch.utils.benchmark.Timer`, which warms up and
waits for the GPU. On a CPU with a single thread they are that thread's CPU
time, so other processes on the machine hardly count. Peak memory is what a
call adds at its worst moment to the memory that was in use before it.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Timer
from torch.utils.benchmark import timer as synchronized_time

from m3i_mm.models.internimage.archs import ARCHS
from m3i_mm.ops.deform_conv_v3 import available_backends
from m3i_mm.runs.arguments import device, number, whole_number
from m3i_mm.runs.config_check import ConfigError

__all__ = [
    'Measurement',
    'add_benchmark_arguments',
    'add_network_arguments',
    'copy_bandwidth',
    'environment',
    'markdown_table',
    'measure',
    'peak_bytes',
    'require_backends',
    'write_json',
]

_MIB = 2**20


class Measurement(NamedTuple):
    """What one call takes.

    Args:
        milliseconds (float): Median time.
        peak_mib (float): Peak of the additional memory in MiB.
    """

    milliseconds: float
    peak_mib: float


def measure(
    function: Callable[[], Any],
    device: torch.device,
    min_seconds: float = 0.5,
) -> Measurement:
    """Measure a function that takes no arguments.

    Args:
        function (Callable): What to call.
        device (torch.device): The device that it works on.
        min_seconds (float): How long to repeat it. Defaults to 0.5.

    Returns:
        Measurement: Median time and peak memory.
    """
    function()  # autotuning and lazy initialisation
    peak = peak_bytes(function, device)
    threads = torch.get_num_threads()
    own_time = device.type == 'cpu' and threads == 1
    timer = Timer(
        'function()',
        globals={'function': function},
        timer=time.thread_time if own_time else synchronized_time,
        num_threads=threads,
    )
    seconds = timer.blocked_autorange(min_run_time=min_seconds).median
    return Measurement(seconds * 1e3, peak / _MIB)


def peak_bytes(function: Callable[[], Any], device: torch.device) -> int:
    """Return the peak of the memory that a call adds, in bytes.

    Args:
        function (Callable): What to call, without arguments.
        device (torch.device): The device that it works on.

    Returns:
        int: Peak over the memory that was in use before the call.
    """
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(
        activities=[ProfilerActivity.CPU],
        profile_memory=True,
        acc_events=True,
    ) as profiler:
        function()
    # the allocations and (negative) releases one by one, in order
    events = profiler.profiler.kineto_results.events()
    allocations = sorted(
        (event.start_ns(), event.nbytes())
        for event in events
        if event.name() == '[memory]'
    )
    peak = in_use = 0
    for _, size in allocations:
        in_use += size
        peak = max(peak, in_use)
    return peak


def copy_bandwidth(device: torch.device, mib: int = 256) -> float:
    """Measure how fast the device copies memory.

    Args:
        device (torch.device): The device.
        mib (int): Size of the copied tensor in MiB. Defaults to 256.

    Returns:
        float: Bytes read and written per second.
    """
    source = torch.zeros(mib * _MIB, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    elapsed = measure(lambda: target.copy_(source), device).milliseconds
    return 2 * source.numel() / elapsed * 1e3


def environment(device: torch.device) -> dict[str, str]:
    """Describe what numbers depend on: device, threads and versions."""
    versions = {
        'torch': torch.__version__,
        'python': platform.python_version(),
    }
    if device.type == 'cuda':
        import triton

        return {
            'device': torch.cuda.get_device_name(device),
            'cuda': str(torch.version.cuda),
            'triton': triton.__version__,
            **versions,
        }
    return {
        'device': _cpu_name(),
        'threads': str(torch.get_num_threads()),
        **versions,
    }


def _cpu_name() -> str:
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(':')[1] for line in lines if 'model name' in line]
    return names[0].strip() if names else platform.processor()


def markdown_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> str:
    """Lay rows out as a Markdown table.

    Args:
        rows (Sequence[Mapping]): Cells by column; a missing one is empty.
        columns (Sequence[str]): Columns, in order.

    Returns:
        str: The table; floats have three significant digits.
    """
    lines: list[Iterable[str]] = [columns, ['---'] * len(columns)]
    lines += [
        [_cell(row.get(column, '')) for column in columns] for row in rows
    ]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f'{value:.3g}' if abs(value) < 1000 else f'{value:.0f}'


def write_json(path: str, device: torch.device, rows: Sequence[Any]) -> None:
    """Write rows of results with the environment they were measured in."""
    content = {'environment': environment(device), 'results': list(rows)}
    Path(path).write_text(json.dumps(content, indent=2) + '\n')


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which InternImage computes on what.

    Args:
        parser (ArgumentParser): The parser of a tool.
    """
    parser.add_argument(
        '--archs',
        nargs='+',
        choices=list(ARCHS),
        default=['tiny', 'base'],
        help='variants of InternImage (default: tiny base)',
    )
    parser.add_argument(
        '--image-sizes',
        nargs='+',
        type=_image_size,
        default=[(224, 224), (800, 1280)],
        metavar='HEIGHTxWIDTH',
        help='sizes in pixels (default: 224x224 800x1280)',
    )
    parser.add_argument(
        '--batch-size',
        type=whole_number(),
        default=1,
        help='images in the batch (default: %(default)s)',
    )
    parser.add_argument(
        '--dtype',
        choices=['float32', 'bfloat16', 'float16'],
        default='float32',
        help='of all tensors (default: %(default)s)',
    )


def add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that all benchmarks of InternImage have.

    Args:
        parser (ArgumentParser): The parser of a tool.
    """
    add_network_arguments(parser)
    parser.add_argument(
        '--device',
        type=lambda text: torch.device(device(text)),
        default=torch.device('cuda' if torch.cuda.is_available() else 'cpu'),
        help='where to run (default: the GPU if there is one)',
    )
    parser.add_argument(
        '--min-seconds',
        type=number(0),
        default=0.5,
        help='how long to repeat each measurement (default: %(default)s)',
    )


def require_backends(names: Iterable[str], where: torch.device) -> None:
    """Check that backends of DCNv3 run on a device.

    Args:
        names (Iterable[str]): Names of backends.
        where (torch.device): The device.

    Raises:
        ConfigError: If one does not.
    """
    there = available_backends(where)
    for name in names:
        if name not in there:
            raise ConfigError(
                f'the backend {name!r} does not run on {where}, where there '
                f'are {", ".join(there)}'
            )


def _image_size(text: str) -> tuple[int, int]:
    """Read ``HEIGHTxWIDTH``."""
    try:
        height, width = map(whole_number(), text.split('x'))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no size like 224x224'
        ) from error
    return height, width
