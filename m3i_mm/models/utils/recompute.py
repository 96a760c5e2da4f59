"""Recompute activations in the backward pass, for less memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar, cast

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

__all__ = ['recomputed']

T = TypeVar('T')


def recomputed(module: nn.Module, function: Callable[..., T], *args: Any) -> T:
    """Call a function whose activations are computed again for the gradient.

    Random numbers are drawn again as they were; running statistics move once.

    Args:
        module (nn.Module): What the function calls, with its statistics.
        function (Callable): The function.
        *args (Any): Its arguments.

    Returns:
        Any: What it returns.
    """
    settings: dict[str, Any] = {}
    if any(_counts(inner) for inner in module.modules()):
        settings['context_fn'] = lambda: (
            nullcontext(),
            _without_statistics(module),
        )
    return checkpoint(function, *args, use_reentrant=False, **settings)


def _counts(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) or hasattr(module, 'counting')


@contextmanager
def _without_statistics(block: nn.Module) -> Iterator[None]:
    """Recompute a block without moving its running statistics once more."""
    counters: list[Any] = [
        module for module in block.modules() if hasattr(module, 'counting')
    ]
    norms = [
        module
        for module in block.modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    ]
    momenta = [norm.momentum for norm in norms]
    counted = [cast(Tensor, norm.num_batches_tracked) for norm in norms]
    counts = [count.clone() for count in counted]
    for norm in norms:
        norm.momentum = 0.0
    for counter in counters:
        counter.counting = False
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for count, before in zip(counted, counts, strict=True):
            count.copy_(before)
        for counter in counters:
            counter.counting = True
