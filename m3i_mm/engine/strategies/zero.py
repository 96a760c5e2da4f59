"""DeepSpeed's ZeRO: optimizer states that are spread over devices."""

from __future__ import annotations

from typing import Any

import torch
from mmengine._strategy import DeepSpeedStrategy
from mmengine._strategy.deepspeed import DeepSpeedOptimWrapper
from mmengine.config import ConfigDict
from mmengine.dist import is_distributed
from mmengine.optim import BaseOptimWrapper
from torch import nn
from torch.optim import Optimizer

from ...registry import OPTIM_WRAPPERS, STRATEGIES

__all__ = ['ZeroOptimWrapper', 'ZeroStrategy']


@OPTIM_WRAPPERS.register_module()
class ZeroOptimWrapper(DeepSpeedOptimWrapper):
    """The optimizer inside DeepSpeed's engine.

    Args:
        optimizer (Optimizer): The optimizer.
        accumulative_counts (int): Iterations of one optimizer step, which
            DeepSpeed counts itself. Defaults to 1.
    """

    def __init__(
        self, optimizer: Optimizer, accumulative_counts: int = 1
    ) -> None:
        super().__init__(optimizer)
        self._accumulative_counts = accumulative_counts

    # DeepSpeed writes into views of the weights, which autograd refuses
    @torch.no_grad()
    def step(self, **kwargs: Any) -> None:
        """Update the weights if enough gradients were accumulated."""
        super().step(**kwargs)


@STRATEGIES.register_module()
class ZeroStrategy(DeepSpeedStrategy):
    """ZeRO stage 1 or 2, set up by the entries of a usual config.

    Weights stay whole and in float32, so the momentum encoder averages them
    as on one device, and the forward pass runs under autocast. ``dtype``,
    ``clip_grad`` and ``accumulative_counts`` of the optimizer wrapper and the
    batch size of the data loader are handed to DeepSpeed: any config of this
    package trains with ``runner_type='FlexibleRunner'`` and ``strategy=dict(
    type='m3i_mm.ZeroStrategy')``. Checkpoints are DeepSpeed's folders.

    Args:
        stage (int): 1 divides the state of the optimizer among the processes,
            2 the gradients too. Defaults to 1.
        config (dict, optional): Further settings of DeepSpeed.
        **kwargs: Arguments of ``mmengine._strategy.DeepSpeedStrategy``.

    Raises:
        ImportError: If DeepSpeed is not installed.
        ValueError: If the stage is another, or the optimizer wrapper asks for
            float16 or for clipping other than by the Euclidean norm.
    """

    def __init__(
        self,
        *,
        stage: int = 1,
        config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if stage not in (1, 2):
            raise ValueError(
                f'ZeroStrategy has stages 1 and 2, not {stage}: the momentum '
                'encoder averages whole weights. To divide them as well, take '
                "strategy=dict(type='m3i_mm.ShardedStrategy')."
            )
        try:
            import deepspeed  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "ZeroStrategy needs DeepSpeed: pip install 'm3i_mm[deepspeed]'"
            ) from error
        settings = dict(
            zero_optimization=dict(stage=stage),
            # the optimizer of the config, rather than one of DeepSpeed's
            zero_allow_untested_optimizer=True,
            zero_force_ds_cpu_optimizer=False,
            # plain, for DeepSpeed stores it in checkpoints
            **ConfigDict(config or {}).to_dict(),
        )
        super().__init__(config=settings, **kwargs)

    def prepare(
        self, model: Any, *, optim_wrapper: Any = None, **kwargs: Any
    ) -> Any:
        """Build, wrap and distribute; see ``BaseStrategy.prepare``.

        Args:
            model (nn.Module | dict): The model.
            optim_wrapper (dict | None): The optimizer wrapper of a config.
            **kwargs: Other arguments of ``BaseStrategy.prepare``.

        Raises:
            RuntimeError: If no launcher started the process.
        """
        if not is_distributed():
            raise RuntimeError(
                'ZeroStrategy needs a process group: start even a single '
                'process by tools/dist_train.sh CONFIG 1'
            )
        batch_size = (kwargs.get('dispatch_kwargs') or {}).get(
            'train_micro_batch_size_per_gpu', 1
        )
        self.config.setdefault('train_micro_batch_size_per_gpu', batch_size)
        return super().prepare(model, optim_wrapper=optim_wrapper, **kwargs)

    def build_optim_wrapper(
        self, optim_wrapper: Any, model: nn.Module | None = None
    ) -> BaseOptimWrapper:
        """Hand the settings of an optimizer wrapper to DeepSpeed.

        Args:
            optim_wrapper (dict): Config of an optimizer wrapper of any type.
            model (nn.Module): The model.

        Returns:
            ZeroOptimWrapper: It keeps the optimizer alone.
        """
        wrapper = dict(optim_wrapper)
        self.config.update(_engine_settings(wrapper))
        wrapper['type'] = 'm3i_mm.ZeroOptimWrapper'
        return super().build_optim_wrapper(wrapper, model)


def _engine_settings(wrapper: dict[str, Any]) -> dict[str, Any]:
    """Take out of ``wrapper`` what DeepSpeed's engine does, as its config."""
    kind = wrapper.get('type', 'OptimWrapper')
    clip = wrapper.pop('clip_grad', None) or {}
    plain = kind in ('OptimWrapper', 'm3i_mm.ZeroOptimWrapper')
    dtype = wrapper.pop('dtype', 'float32' if plain else 'bfloat16')
    wrapper.pop('loss_scale', None)
    if set(clip) - {'max_norm'} or dtype not in ('float32', 'bfloat16'):
        raise ValueError(
            "ZeroStrategy takes dtype='bfloat16' or 'float32' and clip_grad="
            f'dict(max_norm=...), got {dtype!r} and {clip}'
        )
    return dict(
        gradient_clipping=clip.get('max_norm', 0.0),
        gradient_accumulation_steps=wrapper.get('accumulative_counts', 1),
        torch_autocast=dict(
            enabled=dtype != 'float32',
            dtype=dtype,
            # gradients travel in float32, as under DDP
            lower_precision_safe_modules=[],
        ),
    )
