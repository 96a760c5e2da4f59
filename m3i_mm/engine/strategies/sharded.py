"""Fully sharded training: models that do not fit on one device."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from mmengine._strategy import FSDPStrategy
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP  # noqa: N817
from torch.distributed.fsdp.wrap import lambda_auto_wrap_policy

from ...registry import STRATEGIES
from ..optimizers import ShardedOptimWrapper

__all__ = ['ShardedStrategy', 'check_clipping', 'find_units']

# PyTorch frees weights that it is about to save if they are to be offloaded
# and are on the CPU already
_FULL_STATE_ON_CPU = dict(
    state_dict_type='FULL_STATE_DICT',
    state_dict_config=dict(type='FullStateDictConfig'),
    # offloaded from CPU to CPU all moments would share one gather buffer
    optim_state_dict_config=dict(
        type='FullOptimStateDictConfig', offload_to_cpu=False
    ),
)


@STRATEGIES.register_module()
class ShardedStrategy(FSDPStrategy):
    """Fully sharded data parallelism (FSDP) that knows momentum encoders.

    Weights, gradients and the optimizer's state are spread over the
    processes. In contrast to MMEngine's strategy

    - the backbone, the neck and their repeated blocks are units of their own,
      cut at the same places in the momentum encoder, so each process averages
      the shards that it holds;
    - the optimizer's groups are formed before the model is cut: afterwards
      every shard is one-dimensional, as if it were a bias without decay;
    - checkpoints look like those of one process;
    - it runs on CPUs, for tests.

    The backbone has to be called as a whole: an input that drops patches,
    as MAE's does, calls its parts and cannot be sharded.

    Args:
        min_unit (int): Fewest parameters of a repeated block that is a unit.
            Defaults to 1000000.
        **kwargs: Arguments of ``mmengine._strategy.FSDPStrategy``.

    Raises:
        ValueError: If gradients are clipped by an optimizer wrapper that sees
            the shards of one process only.
    """

    def __init__(self, *, min_unit: int = 1_000_000, **kwargs: Any) -> None:
        self.min_unit = min_unit
        has_gpu = torch.cuda.is_available()
        state = 'full' if has_gpu else _FULL_STATE_ON_CPU
        wrapper = dict(kwargs.pop('model_wrapper', None) or {})
        wrapper.setdefault('type', 'MMFullyShardedDataParallel')
        if not has_gpu:
            wrapper['device_id'] = 'cpu'
        kwargs.setdefault('state_dict_cfg', state)
        super().__init__(model_wrapper=wrapper, **kwargs)

    def prepare(
        self, model: Any, *, optim_wrapper: Any = None, **kwargs: Any
    ) -> Any:
        """Build, shard and distribute; see ``BaseStrategy.prepare``.

        Args:
            model (nn.Module | dict): The model.
            optim_wrapper (OptimWrapper | dict | None): The optimizer.
            **kwargs: Other arguments of ``BaseStrategy.prepare``.
        """
        self._optim_wrapper_cfg = optim_wrapper
        return super().prepare(model, optim_wrapper=optim_wrapper, **kwargs)

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        cfg = self._optim_wrapper_cfg
        if isinstance(cfg, dict):
            cfg = super().build_optim_wrapper(cfg, model)
            check_clipping(cfg)
            self._optim_wrapper_cfg = cfg
        units = find_units(model, self.min_unit)
        print_log(
            f'The model is sharded in {len(units) + 1} units', logger='current'
        )
        assert self.model_wrapper is not None
        self.model_wrapper.setdefault(
            'auto_wrap_policy',
            partial(
                lambda_auto_wrap_policy,
                lambda_fn=lambda module: id(module) in units,
            ),
        )
        return super()._wrap_model(model)

    def build_optim_wrapper(
        self, optim_wrapper: Any, model: nn.Module | None = None
    ) -> OptimWrapper:
        """Put the shards into the groups of the whole parameters.

        Args:
            optim_wrapper (OptimWrapper | dict): Not used: it was built from
                the whole model.
            model (nn.Module): The sharded model.

        Returns:
            OptimWrapper: Its optimizer updates the shards.
        """
        assert model is not None
        wrapper = self._optim_wrapper_cfg
        shards = {
            name.replace('_fsdp_wrapped_module.', ''): parameter
            for name, parameter in model.named_parameters()
        }
        for group in wrapper.optimizer.param_groups:
            group['params'] = [
                shards[self.id_to_name[id(whole)]] for whole in group['params']
            ]
        return wrapper

    def optim_state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state of all shards."""
        wrapper = self.optim_wrapper
        state = FSDP.optim_state_dict(self.model, wrapper.optimizer)
        if wrapper.base_param_settings is not None:
            state['base_param_settings'] = wrapper.base_param_settings
        return state

    def load_optim_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take this process's shards of the optimizer's state.

        Args:
            state_dict (dict): What :meth:`optim_state_dict` returned.
        """
        wrapper = self.optim_wrapper
        settings = state_dict.pop('base_param_settings', None)
        # By name: the order of the arguments changed in torch 2.1
        state = FSDP.optim_state_dict_to_load(
            model=self.model,
            optim=wrapper.optimizer,
            optim_state_dict=state_dict,
        )
        if settings is not None:
            state['base_param_settings'] = settings
        wrapper.load_state_dict(state)


def find_units(model: nn.Module, min_unit: int = 1_000_000) -> set[int]:
    """Find the modules that are sharded separately.

    Args:
        model (nn.Module): The whole model.
        min_unit (int): Fewest parameters of a repeated block. Defaults to
            1000000.

    Returns:
        set[int]: The ids of backbones, necks and large elements of lists.
    """
    units = set()
    for module in model.modules():
        for name, child in module.named_children():
            size = sum(p.numel() for p in child.parameters())
            is_block = isinstance(module, nn.ModuleList | nn.Sequential)
            if (name in ('backbone', 'neck') and size) or (
                is_block and size >= min_unit
            ):
                units.add(id(child))
    return units


def check_clipping(wrapper: OptimWrapper) -> None:
    """Refuse clipping by the norm of one process's shards.

    Args:
        wrapper (OptimWrapper): The optimizer wrapper of a sharded model.

    Raises:
        ValueError: If it clips and is no :class:`ShardedOptimWrapper`.
    """
    if wrapper.clip_grad_kwargs and not isinstance(
        wrapper, ShardedOptimWrapper
    ):
        raise ValueError(
            f'{type(wrapper).__name__} would clip the gradients of each '
            'process by another norm. Set optim_wrapper.type='
            "'m3i_mm.ShardedOptimWrapper', or clip_grad=None."
        )
