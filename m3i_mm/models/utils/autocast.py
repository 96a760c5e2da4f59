"""Autocast with few operators: the parameters of a module cast at once.

Autocast casts each weight and bias where it is used, an operator each, and so
does the backward pass. One operator for a whole block does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

__all__ = ['autocast_dtype', 'cast_parameters']

# Layers whose parameters autocast casts; subclasses may have other rules.
_LAYERS = (nn.Linear, nn.Conv2d)


def is_autocast(x: Tensor) -> bool:
    """Whether autocast is on for the device of ``x``."""
    # asking for the meta device is an error
    device = x.device.type
    return device != 'meta' and torch.is_autocast_enabled(device)


def autocast_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of matrix products with ``x``.

    Args:
        x (Tensor): Any tensor.

    Returns:
        torch.dtype: That of autocast on the device of ``x``; that of ``x``
        without autocast, and for float64, which autocast leaves alone.
    """
    if x.dtype == torch.float64 or not is_autocast(x):
        return x.dtype
    return torch.get_autocast_dtype(x.device.type)


def cast_parameters(module: nn.Module, x: Tensor) -> AbstractContextManager:
    """Return a context in which layers find their parameters cast.

    Those are the linear layers and convolutions. Gradients reach the
    parameters as ever, by one operator that casts them back. Without autocast
    there is nothing to do, and ``torch.compile`` fuses casts by itself.

    Args:
        module (nn.Module): It and all inside.
        x (Tensor): Its input.

    Returns:
        AbstractContextManager: The context.
    """
    if (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or not is_autocast(x)
    ):
        return nullcontext()
    return _casts_in_place(module, x)


@contextmanager
def _casts_in_place(module: nn.Module, x: Tensor) -> Iterator[None]:
    dtype = autocast_dtype(x)
    found = [
        (layer._parameters, name, parameter)
        for layer in module.modules()
        if type(layer) in _LAYERS
        for name, parameter in layer._parameters.items()
        if _is_cast(parameter, x, dtype)
    ]
    casts = _Cast.apply(dtype, *(p for *_, p in found)) if found else ()
    for (store, name, _), cast in zip(found, casts, strict=True):
        store[name] = cast
    try:
        yield
    finally:
        for store, name, parameter in found:
            store[name] = parameter


def _is_cast(parameter: Any, x: Tensor, dtype: torch.dtype) -> bool:
    """Whether autocast would cast it; sharded and quantised ones it skips."""
    return (
        isinstance(parameter, nn.Parameter)
        and not is_traceable_wrapper_subclass(parameter)
        and parameter.device == x.device
        and parameter.dtype == torch.float32 != dtype
    )


class _Cast(torch.autograd.Function):
    """Round tensors to another dtype, all at once."""

    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return _cast(tensors, dtype)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, *gradients: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        present = [g for g in gradients if g is not None]
        casts = iter(_cast(present, torch.float32))
        return None, *(None if g is None else next(casts) for g in gradients)


def _cast(
    tensors: tuple[Tensor, ...] | list[Tensor], dtype: torch.dtype
) -> tuple[Tensor, ...]:
    casts = tuple(torch.empty_like(t, dtype=dtype) for t in tensors)
    torch._foreach_copy_(casts, tensors)
    return casts
