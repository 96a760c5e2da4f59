"""Convolutions in the memory layout that they are fastest in."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor, nn

from ...registry import HOOKS

__all__ = ['ChannelsLastHook']


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lets convolutions compute with the channels last.

    A convolution computes so if its weights or its input lie so; the results
    agree up to rounding. It pays on CPUs and on GPUs with tensor cores.

    The weights are converted if the model is not wrapped. DDP and FSDP lay
    out their buckets by the strides that the weights have when they wrap the
    model, and gradients of other strides end up permuted: under a wrapper the
    weights stay as they are and the inputs are converted.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Any) -> None:
        """Prepare the model.

        Args:
            runner (Runner): The runner.
        """
        model = runner.model
        if not is_model_wrapper(model):
            model.to(memory_format=torch.channels_last)
            return
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_pre_hook(_channels_last)


def _channels_last(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    return inputs[0].contiguous(memory_format=torch.channels_last)
