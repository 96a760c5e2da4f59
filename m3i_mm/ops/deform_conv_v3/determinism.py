"""What backends do that add atomically when the user wants determinism."""

from __future__ import annotations

import warnings

import torch

__all__ = ['refuse_if_deterministic']


def refuse_if_deterministic(backend: str) -> None:
    """Raise or warn as PyTorch's own operators do in deterministic mode.

    Args:
        backend (str): Whose gradient of the input is summed in any order.

    Raises:
        RuntimeError: Under ``torch.use_deterministic_algorithms(True)``; with
            ``warn_only`` it is a warning.
    """
    if not torch.are_deterministic_algorithms_enabled():
        return
    message = (
        f'dcnv3: the gradient of the input by the backend {backend!r} has no '
        "deterministic implementation, 'triton' and 'torch' have one"
    )
    if not torch.is_deterministic_algorithms_warn_only_enabled():
        raise RuntimeError(message)
    warnings.warn(message, stacklevel=2)
