"""Bytes and kernels of a training step under ``torch.compile``.

Inductor decides which operators become one kernel, and so what passes through
memory. For that it needs no GPU, only the properties of one: here it plans the
kernels of forward and backward pass, and counts what each reads and writes,
but generates none.

Autograd's engine knows no GPU on a machine without one. So both passes are
traced on the CPU, with tensors that have no data, and planned for a GPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, fx, nn
from torch._subclasses import FakeTensor, FakeTensorMode

from m3i_mm.ops.triton_launch import observe

from .traffic import Traffic, by_size, network

__all__ = ['compiled_traffic', 'traffic_of_compiled_step']

_DEVICE = torch.device('cuda', 0)
# An H100; Inductor asks for what bounds its tiles.
_PROPERTIES = SimpleNamespace(
    name='NVIDIA H100',
    major=9,
    minor=0,
    multi_processor_count=132,
    regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=2048,
    max_threads_per_block=1024,
    warp_size=32,
)


def traffic_of_compiled_step(
    arch: str | Mapping[str, Any],
    image: tuple[int, int],
    batch: int,
    dtype: torch.dtype = torch.bfloat16,
) -> dict[str, Traffic]:
    """Count a compiled forward and backward pass of InternImage.

    Args:
        arch (str | dict): See :class:`m3i_mm.models.InternImage`.
        image (tuple[int, int]): Height and width in pixels.
        batch (int): Images in the batch.
        dtype (torch.dtype): Half precision of autocast, or float32 for none.
            Defaults to bfloat16.

    Returns:
        dict[str, Traffic]: Of Inductor's own kernels (``fused``) and of each
        operator that it calls, the largest first.
    """
    return compiled_traffic(network(arch), (batch, 3, *image), dtype)


def compiled_traffic(
    module: nn.Module, shape: Sequence[int], dtype: torch.dtype
) -> dict[str, Traffic]:
    """Count a compiled forward and backward pass of a module.

    Args:
        module (nn.Module): A module on the meta device, of one argument.
        shape (Sequence[int]): Of the argument, which is float32 and needs a
            gradient.
        dtype (torch.dtype): Half precision of autocast, or float32 for none.

    Returns:
        dict[str, Traffic]: See :func:`traffic_of_compiled_step`.
    """
    kernels: dict[str, list[int]] = defaultdict(list)
    torch._dynamo.reset()
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        observe(lambda launch: None),
        _planning(kernels),
    ):
        module = module.to_empty(device='cpu').train()
        x = torch.empty(*shape, requires_grad=True)
        compiled = torch.compile(module, backend=_backend, fullgraph=True)
        with torch.autocast('cpu', dtype, enabled=dtype != torch.float32):
            out = compiled(x)
        outs = [out] if isinstance(out, Tensor) else list(out)
        torch.autograd.backward(outs, [torch.empty_like(t) for t in outs])
    return by_size(
        {name: Traffic(len(b), sum(b)) for name, b in kernels.items()}
    )


@contextmanager
def _planning(kernels: dict[str, list[int]]) -> Iterator[None]:
    """Let Inductor plan for a GPU that is not there, and note the plan."""
    from torch._dynamo.device_interface import CudaInterface
    from torch._inductor import compile_fx, config, scheduler
    from torch._inductor.graph import GraphLowering

    def plan(graph: Any) -> SimpleNamespace:
        graph.init_wrapper_code()
        graph._update_scheduler()
        for node in graph.scheduler.nodes:
            kernels[_name(node)].append(node.get_read_write_buffers_sizes())
        return SimpleNamespace(call=lambda arguments: arguments)

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (GraphLowering, 'compile_to_module', plan),
        (CudaInterface, 'get_device_properties', _properties),
        (CudaInterface.Worker, 'get_device_properties', _properties),
        (torch.cuda, 'get_device_properties', _properties),
        (torch.cuda, 'get_device_capability', lambda *_: (9, 0)),
        (torch.cuda, 'current_device', lambda: 0),
        (scheduler, 'has_triton', lambda *_: True),
        (compile_fx, '_check_triton_bf16_support', lambda *_: None),
    ]
    with ExitStack() as stack:
        for place, name, function in replaced:
            stack.enter_context(mock.patch.object(place, name, function))
        stack.enter_context(config.patch(fx_graph_cache=False))
        yield


def _properties(*_: Any) -> SimpleNamespace:
    return _PROPERTIES


def _name(node: Any) -> str:
    if not node.is_extern():
        return 'fused'
    operator = getattr(node.node, 'op_overload', None)
    return str(operator or node.node.python_kernel_name or 'view')


def _backend(graph: fx.GraphModule, inputs: list[Any]) -> Any:
    from torch._inductor.compile_fx import compile_fx

    with torch._functorch.config.patch(enable_autograd_cache=False):
        return compile_fx(graph, inputs, inner_compile=_plan_on_gpu)


def _plan_on_gpu(
    graph: fx.GraphModule, inputs: Sequence[Any], **settings: Any
) -> Any:
    """Plan a graph traced on the CPU; return what allocates its outputs."""
    from torch._inductor.compile_fx import compile_fx_inner

    (results,) = graph.graph.output_node().args
    outputs = [
        node.meta['val'] if isinstance(node, fx.Node) else node
        for node in results  # type: ignore[union-attr]
    ]
    mode = next(x.fake_mode for x in inputs if isinstance(x, FakeTensor))
    for node in graph.graph.nodes:
        if 'device' in node.kwargs:
            node.kwargs = {**node.kwargs, 'device': _DEVICE}
    compile_fx_inner(graph, [_on_gpu(x) for x in inputs], **settings)

    def run(arguments: list[Any]) -> list[Any]:
        arguments.clear()
        with mode:
            return [
                torch.empty_strided(x.shape, x.stride(), dtype=x.dtype)
                if isinstance(x, Tensor)
                else x
                for x in outputs
            ]

    run._boxed_call = True  # type: ignore[attr-defined]
    return run


def _on_gpu(x: Any) -> Any:
    if not isinstance(x, FakeTensor):
        return x
    with torch._subclasses.fake_tensor.unset_fake_temporarily():
        meta = torch.empty_strided(
            x.shape, x.stride(), dtype=x.dtype, device='meta'
        )
    return FakeTensor(x.fake_mode, meta, _DEVICE)
