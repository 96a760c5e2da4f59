"""Convolutions in the memory layout that they are fastest in."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...registry import HOOKS

__all__ = ['ChannelsLastHook']


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Stores the weights of convolutions with the channels last.

    A convolution whose weights lie so computes so, whatever its input; the
    results agree up to rounding. It pays on CPUs and on GPUs with tensor
    cores.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Any) -> None:
        """Convert the model in place.

        Args:
            runner (Runner): The runner.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        model.to(memory_format=torch.channels_last)
