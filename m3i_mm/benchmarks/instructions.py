"""Instructions of Triton kernels on an NVIDIA GPU, counted without one.

A kernel is compiled for what a call launches it with, and disassembled. An
instruction counts as often as a thread reaches it: those of a loop once an
iteration, all others once. Branches are taken to be followed to the
end, so a count is a bound for rows that have less to do.

Needs Triton, and ``nvdisasm`` of CUDA or ``pip install nvidia-cuda-nvdisasm``.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from m3i_mm.ops import Layout, dcnv3_from_prediction
from m3i_mm.ops.deform_conv_v3.geometry import Geometry
from m3i_mm.ops.triton_launch import Launch, observe

__all__ = [
    'COLUMNS',
    'compile_launch',
    'count_dcnv3',
    'dcnv3_launches',
    'executed_instructions',
    'find_nvdisasm',
    'used_registers',
]

COLUMNS = (
    'kernel',
    'map',
    'dtype',
    'channels of a group',
    'instructions per output',
    'registers',
)
_TYPES = {
    torch.float16: '*fp16',
    torch.bfloat16: '*bf16',
    torch.float32: '*fp32',
    torch.float64: '*fp64',
    torch.int32: '*i32',
}
_INSTRUCTION = re.compile(
    r'^\s+/\*(?P<address>[0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?'
    r'(?P<name>[A-Z]\w*)(?P<rest>.*)$'
)
_LABEL = re.compile(r'\.L_x_\d+')
_BATCH = 64
_OFFSET_AND_MASK = Layout()


def find_nvdisasm() -> str | None:
    """Return the path of NVIDIA's disassembler, or None."""
    found = shutil.which('nvdisasm')
    spec = find_spec('nvidia')
    folders = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        for path in Path(folder).glob('*/bin/nvdisasm'):
            return str(path)
    return found


def count_dcnv3(
    channels: int,
    groups: int,
    dtype: torch.dtype,
    architecture: int,
    size: int = 56,
    backend: str = 'triton',
    layout: Layout = _OFFSET_AND_MASK,
) -> list[dict[str, Any]]:
    """Count the kernels of DCNv3, 3 x 3 taps, forward and backward.

    Args:
        channels (int): Channels C.
        groups (int): Groups; C / G is the width of a row.
        dtype (torch.dtype): Of all tensors.
        architecture (int): Compute capability without its dot, e.g. 90.
        size (int): Height and width of the map. Defaults to 56.
        backend (str): ``'triton'`` or ``'triton_atomic'``. Defaults to
            ``'triton'``.
        layout (Layout): Of what is predicted. Defaults to offset and mask.

    Returns:
        list[dict]: Cells by :data:`COLUMNS`.

    Raises:
        FileNotFoundError: If there is no disassembler.
    """
    outputs = _BATCH * size * size * channels
    rows = []
    for launch in dcnv3_launches(
        channels, groups, dtype, size, backend, layout
    ):
        assembly = _disassemble(launch, architecture)
        executed = executed_instructions(assembly, _iterations(launch))
        threads = launch.programs * launch.constants['num_warps'] * 32
        rows.append(
            {
                'kernel': launch.kernel.fn.__name__,
                'map': f'{size}x{size}',
                'dtype': str(dtype).removeprefix('torch.'),
                'channels of a group': channels // groups,
                'instructions per output': executed * threads / outputs,
                'registers': used_registers(assembly),
            }
        )
    return rows


def dcnv3_launches(
    channels: int,
    groups: int,
    dtype: torch.dtype,
    size: int,
    backend: str,
    layout: Layout = _OFFSET_AND_MASK,
) -> list[Launch]:
    """Return what a forward and a backward pass start, in this order.

    See :func:`count_dcnv3`.
    """
    launches: list[Launch] = []
    width = layout.width(Geometry(3, 1, 1, 1, groups, 1.0, False))
    with FakeTensorMode(), observe(launches.append):
        input, prediction = (
            torch.empty(
                _BATCH, size, size, columns, dtype=dtype, requires_grad=True
            )
            for columns in (channels, -(-width // 8) * 8)
        )
        out = dcnv3_from_prediction(
            input, prediction, layout, groups=groups, backend=backend
        )
        out.backward(torch.empty_like(out))
    return launches


def _iterations(launch: Launch) -> tuple[int, ...]:
    """Return how often each loop of a kernel runs, the outermost first."""
    taps = (launch.constants['KERNEL_SIZE'],) * 2
    if launch.kernel.fn.__name__ == 'gather_kernel':
        across, down = launch.scalars[-2:]
        return int(across * down), *taps
    return taps


def executed_instructions(assembly: str, iterations: Sequence[int]) -> int:
    """Count what a thread executes, each loop many times.

    Args:
        assembly (str): Output of ``nvdisasm -c``.
        iterations (Sequence[int]): Of a loop, of one in it, and so on. Loops
            that the compiler unrolled are the innermost ones.

    Returns:
        int: Instructions, without NOP.
    """
    addresses: list[int] = []
    labels: dict[str, int] = {}
    jumps: list[tuple[str, int]] = []
    pending: list[str] = []
    for line in assembly.splitlines():
        if line.startswith('.L_x_'):
            pending.append(line.rstrip(':'))
            continue
        match = _INSTRUCTION.match(line)
        if match is None or match['name'] == 'NOP':
            continue
        address = int(match['address'], 16)
        addresses.append(address)
        labels.update(dict.fromkeys(pending, address))
        pending.clear()
        target = _LABEL.search(match['rest'])
        if match['name'] == 'BRA' and target:
            jumps.append((target[0], address))
    loops = {
        (labels[label], end)
        for label, end in jumps
        # the trap after the end jumps to itself
        if labels.get(label, end) < end
    }
    return sum(
        math.prod(
            iterations[: sum(first <= at <= last for first, last in loops)]
        )
        for at in addresses
    )


def used_registers(assembly: str) -> int:
    """Return how many registers a thread gets; they come in eights."""
    numbers = re.findall(r'\bR(\d+)\b', assembly)
    return -(-(1 + max(map(int, numbers), default=0)) // 8) * 8


def _disassemble(launch: Launch, architecture: int) -> str:
    disassembler = find_nvdisasm()
    if disassembler is None:
        raise FileNotFoundError(
            'nvdisasm is not there. Install CUDA, or pip install '
            'nvidia-cuda-nvdisasm'
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'kernel.cubin')
        path.write_bytes(compile_launch(launch, architecture).asm['cubin'])
        return subprocess.run(
            [disassembler, '-c', path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout


def compile_launch(launch: Launch, architecture: int) -> Any:
    """Compile as Triton does at a launch with aligned tensors.

    Args:
        launch (Launch): What :func:`m3i_mm.ops.triton_launch.observe` saw.
        architecture (int): Compute capability without its dot, e.g. 90.

    Returns:
        Any: Triton's compiled kernel.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature: dict[str, str] = {}
    constants: dict[tuple[int, ...], Any] = {}
    attributes: dict[tuple[int, ...], Any] = {}
    values = dict(
        zip(
            launch.kernel.arg_names,
            (*launch.tensors, *launch.scalars),
            strict=False,
        )
    )
    for position, name in enumerate(launch.kernel.arg_names):
        value = values.get(name)
        is_aligned = False
        if isinstance(value, Tensor):
            # parts of a tensor begin anywhere in it
            first = value.storage_offset() * value.element_size()
            is_aligned = first % 16 == 0
            signature[name] = _TYPES[value.dtype]
        elif isinstance(value, int) and name in values:
            signature[name] = 'i32'
            # Triton compiles anew for numbers that it may divide by 16
            is_aligned = name == 'row_count' and value % 16 == 0
        else:
            signature[name] = 'constexpr'
            constants[(position,)] = launch.constants.get(name, value)
        if is_aligned:
            attributes[(position,)] = [['tt.divisibility', 16]]
    return triton.compile(
        ASTSource(launch.kernel, signature, constants, attributes),
        target=GPUTarget('cuda', architecture, 32),
        options={'num_warps': launch.constants['num_warps']},
    )
