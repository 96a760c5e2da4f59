"""Models inside distributed wrappers."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn

__all__ = ['unwrap']


def unwrap(model: nn.Module) -> Any:
    """Return the model inside a distributed wrapper.

    Args:
        model (nn.Module): A model, wrapped or not.
    """
    return model.module if is_model_wrapper(model) else model
