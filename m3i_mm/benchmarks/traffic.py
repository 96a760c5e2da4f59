"""Bytes and launches of a training step on a GPU, counted without one.

The step runs on tensors that have shapes but no data. Each operator reads its
arguments and writes its results once; views and allocations are free. That is
what moves between the GPU's memory and its processors if no cache helps, and
most operators of a network like InternImage take as long as that takes. It is
exact, so two versions compare on any machine.

Autograd's engine knows no GPU on a machine without one. So the tensors say
they are on a CPU, Triton's kernels are counted instead of launched, and the
rules of CUDA's autocast that CPUs do not share are applied here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from m3i_mm.models.internimage import InternImage
from m3i_mm.ops.triton_launch import Launch, observe

__all__ = [
    'COLUMNS',
    'Traffic',
    'by_size',
    'count_traffic',
    'network',
    'table_rows',
    'total',
    'traffic_of_step',
]

COLUMNS = ('operator', 'launches', 'GiB', 'share')

# Operators that move nothing: they allocate, or only look like work.
_FREE = {
    'detach',
    'empty',
    'empty_like',
    'empty_strided',
    'new_empty',
    'new_empty_strided',
    '_unsafe_view',
}
_WRITE_ONLY = {'fill_', 'ones_like', 'zero_', 'zeros_like', 'new_zeros'}
# In float32 under CUDA's autocast, in their input's dtype under the CPU's.
_WIDE_ON_CUDA = {F.layer_norm, torch.layer_norm, F.softmax, Tensor.softmax}


class Traffic(NamedTuple):
    """What one operator moved, or all.

    Args:
        launches (int): How often it ran.
        bytes (int): What it read and wrote.
    """

    launches: int
    bytes: int


def traffic_of_step(
    arch: str | Mapping[str, Any],
    image: tuple[int, int],
    batch: int,
    dtype: torch.dtype = torch.bfloat16,
) -> dict[str, Traffic]:
    """Count a forward and backward pass of InternImage under autocast.

    Args:
        arch (str | dict): See :class:`m3i_mm.models.InternImage`.
        image (tuple[int, int]): Height and width in pixels.
        batch (int): Images in the batch.
        dtype (torch.dtype): Half precision of autocast, or float32 for none.
            Defaults to bfloat16.

    Returns:
        dict[str, Traffic]: Of each operator, the largest first.
    """
    model = network(arch)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = model.to_empty(device='cpu').train()
        images = torch.empty(batch, 3, *image)

        def step() -> None:
            enabled = dtype != torch.float32
            with torch.autocast('cpu', dtype, enabled=enabled), _CudaRules():
                maps = model(images)
            gradients = [torch.empty_like(map_) for map_ in maps]
            torch.autograd.backward(maps, gradients)

        return count_traffic(step)


def network(arch: str | Mapping[str, Any]) -> InternImage:
    """Build an InternImage with the kernels of a GPU, without weights.

    Args:
        arch (str | dict): See :class:`m3i_mm.models.InternImage`.

    Returns:
        InternImage: On the meta device.
    """
    with torch.device('meta'):
        return InternImage(arch, backend='triton')


def count_traffic(step: Callable[[], None]) -> dict[str, Traffic]:
    """Count what a function does to tensors without data.

    Args:
        step (Callable): The function.

    Returns:
        dict[str, Traffic]: Of each operator and Triton kernel, the largest
        first.
    """
    counter = _Counter()
    with observe(counter.add_kernel), counter:
        step()
    return by_size(
        {
            name: Traffic(counter.launches[name], moved)
            for name, moved in counter.bytes.items()
        }
    )


def by_size(traffic: Mapping[str, Traffic]) -> dict[str, Traffic]:
    """Sort by bytes, the largest first."""
    return dict(sorted(traffic.items(), key=lambda item: -item[1].bytes))


def total(traffic: Mapping[str, Traffic]) -> Traffic:
    """Sum over the operators."""
    return Traffic(*map(sum, zip(*traffic.values(), strict=True)))


def table_rows(traffic: Mapping[str, Traffic]) -> list[dict[str, Any]]:
    """Return rows of a table, the sum first.

    Args:
        traffic (dict[str, Traffic]): Of each operator.

    Returns:
        list[dict]: Cells by :data:`COLUMNS`.
    """
    whole = total(traffic)
    return [
        {
            'operator': name,
            'launches': part.launches,
            'GiB': part.bytes / 2**30,
            'share': part.bytes / whole.bytes,
        }
        for name, part in {'all': whole, **traffic}.items()
    ]


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.launches: dict[str, int] = defaultdict(int)
        self.bytes: dict[str, int] = defaultdict(int)

    def add_kernel(self, launch: Launch) -> None:
        self._add(launch.name, launch.tensors)

    def __torch_dispatch__(
        self,
        operator: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = operator(*args, **(kwargs or {}))
        name = operator.overloadpacket.__name__
        if operator.is_view or operator.namespace == 'prim' or name in _FREE:
            return out
        moved = out if name in _WRITE_ONLY else (args, kwargs, out)
        self._add(name, tree_leaves(moved))
        return out

    def _add(self, name: str, leaves: Iterable[Any]) -> None:
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        if tensors:
            self.launches[name] += 1
            self.bytes[name] += sum(map(_stored_bytes, tensors))


def _stored_bytes(tensor: Tensor) -> int:
    """Bytes behind a tensor; what is expanded is there once."""
    values = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        values *= size if stride else min(size, 1)
    return values * tensor.element_size()


class _CudaRules(TorchFunctionMode):
    """What CUDA's autocast does and the CPU's does not."""

    def __torch_function__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function in _WIDE_ON_CUDA and torch.is_autocast_enabled('cpu'):
            args = tuple(map(_widen, args))
            kwargs = {name: _widen(value) for name, value in kwargs.items()}
        return function(*args, **kwargs)


def _widen(value: Any) -> Any:
    is_half = isinstance(value, Tensor) and value.dtype.itemsize == 2
    return value.float() if is_half else value
