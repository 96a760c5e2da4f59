"""PyTorch's second fully sharded data parallelism (``fully_shard``)."""

from __future__ import annotations

import os
import os.path as osp
import shutil
from collections.abc import Callable
from typing import Any

import torch
from mmengine import dist
from mmengine._strategy import DDPStrategy
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner.checkpoint import save_checkpoint
from torch import distributed, nn
from torch.distributed import checkpoint as distributed_checkpoint
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from m3i_mm.checkpoints import CheckpointError, read_checkpoint
from m3i_mm.checkpoints.folders import (
    RUN_FILE,
    is_distributed_checkpoint,
    require_descriptions,
)

from ...registry import STRATEGIES
from .sharded import check_clipping, find_units

__all__ = ['FullyShardedStrategy']


@STRATEGIES.register_module()
class FullyShardedStrategy(DDPStrategy):
    """Weights, gradients and optimizer spread over processes (FSDP2).

    In contrast to :class:`ShardedStrategy` parameters keep their names and
    shapes, so that every optimizer wrapper constructor works, gradients are
    summed over accumulated iterations, and a checkpoint is a folder into
    which each process writes its part
    (``torch.distributed.checkpoint``). It can be resumed on another number of
    processes, and ``test.py``, ``publish`` and ``init_cfg`` read it like a
    file. The backbone, the neck and their repeated blocks are units, in the
    momentum encoder too.

    The backbone has to be called as a whole: an input that drops patches,
    as MAE's does, calls its parts and cannot be sharded.

    Args:
        min_unit (int): Fewest parameters of a repeated block that is a unit.
            Defaults to 1000000.
        param_dtype (str, optional): What weights are gathered and computed
            in, e.g. ``'bfloat16'``; gradients are summed in float32. Defaults
            to None, the weights' own.
        async_save (bool): Copy to memory and write while training goes on.
            Defaults to False.
        **kwargs: Arguments of ``mmengine._strategy.DDPStrategy``.

    Raises:
        ValueError: If gradients are clipped by an optimizer wrapper that sees
            the shards of one process only.
        RuntimeError: If this PyTorch cannot shard on a CPU.
    """

    def __init__(
        self,
        *,
        min_unit: int = 1_000_000,
        param_dtype: str | None = None,
        async_save: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.min_unit = min_unit
        self.param_dtype = getattr(torch, param_dtype) if param_dtype else None
        self.async_save = async_save
        # processes that save must not meet those that train
        self._saving_group: Any = None
        # a save that goes on, and what is to be done after it
        self._saving: Any = None
        self._part = ''
        self._actions: list[Callable[[], None]] = []

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        try:
            from torch.distributed.fsdp import (
                MixedPrecisionPolicy,
                fully_shard,
            )
        except ImportError as error:
            raise ImportError(
                'FullyShardedStrategy needs PyTorch 2.6; ShardedStrategy '
                'works with older ones'
            ) from error
        policy = MixedPrecisionPolicy(
            param_dtype=self.param_dtype, reduce_dtype=torch.float32
        )
        device = torch.device(get_device())
        if device.type == 'cpu' and not hasattr(
            torch.cpu.Stream, 'record_event'
        ):
            raise RuntimeError(
                f'FullyShardedStrategy cannot run on a CPU with PyTorch '
                f'{torch.__version__}, which shards on GPUs alone: take a '
                'newer one, or ShardedStrategy'
            )
        model = self.convert_model(model).to(device)
        mesh = init_device_mesh(device.type, (dist.get_world_size(),))
        if self.async_save:
            self._saving_group = distributed.new_group(backend='gloo')
        units = find_units(model, self.min_unit)
        # inner ones first
        for module in reversed(list(model.modules())):
            if id(module) in units:
                fully_shard(module, mesh=mesh, mp_policy=policy)
        fully_shard(model, mesh=mesh, mp_policy=policy)
        print_log(
            f'The model is sharded in {len(units) + 1} units', logger='current'
        )
        return model

    def build_optim_wrapper(
        self, optim_wrapper: Any, model: nn.Module | None = None
    ) -> OptimWrapper:
        """Build the optimizer of the shards.

        Args:
            optim_wrapper (OptimWrapper | dict): Its config.
            model (nn.Module): The sharded model.

        Raises:
            ValueError: If its clipping sees one process's shards only.
        """
        wrapper = super().build_optim_wrapper(optim_wrapper, model)
        check_clipping(wrapper)
        return wrapper

    def save_checkpoint(
        self,
        filename: str,
        *,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        extra_ckpt: dict[str, Any] | None = None,
        callback: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """Write a folder, each process its part of it.

        Args:
            filename (str): The folder, whatever its suffix.
            save_optimizer (bool): Write the optimizer's state.
            save_param_scheduler (bool): Write the state of schedules.
            extra_ckpt (dict, optional): What else belongs to the run.
            callback (Callable, optional): May change the checkpoint.
        """
        self.finish_saving()
        sharded = self._sharded_state(save_optimizer)
        run = dict(extra_ckpt or {})
        run.setdefault('meta', {})['seed'] = self.seed
        if save_param_scheduler and hasattr(self, 'param_schedulers'):
            run['param_schedulers'] = self.scheduler_state_dict()
        if save_optimizer:
            run['base_param_settings'] = self.optim_wrapper.base_param_settings
        self._part = f'{filename}.part'
        if is_main_process():
            shutil.rmtree(self._part, ignore_errors=True)
            if callback is not None:
                content = dict(run, **sharded)
                callback(content)
                run = {k: v for k, v in content.items() if k not in sharded}
            save_checkpoint(run, osp.join(self._part, RUN_FILE))
        dist.barrier()
        self._actions = [lambda: _replace(self._part, filename)]
        if self.async_save:
            self._saving = distributed_checkpoint.async_save(
                sharded,
                checkpoint_id=self._part,
                process_group=self._saving_group,
            )
        else:
            distributed_checkpoint.save(sharded, checkpoint_id=self._part)
            self._complete()

    def when_saved(self, action: Callable[[], None]) -> None:
        """Call on the first process once the last save is complete.

        Args:
            action (Callable): What to do.
        """
        self._actions.append(action)
        if self._saving is None:
            self._complete()

    def finish_saving(self) -> None:
        """Wait for a save that goes on in the background."""
        if self._saving is not None:
            self._saving.result()
            self._saving = None
            self._complete()
            dist.barrier()

    def _complete(self) -> None:
        actions, self._actions = self._actions, []
        if is_main_process():
            for action in actions:
                action()

    def _sharded_state(self, with_optimizer: bool) -> dict[str, Any]:
        state: dict[str, Any] = dict(
            state_dict=get_model_state_dict(self.model)
        )
        if with_optimizer:
            state['optimizer'] = get_optimizer_state_dict(
                self.model, self.optim_wrapper.optimizer
            )
        return state

    def load_checkpoint(
        self,
        filename: str,
        *,
        callback: Callable[[dict[str, Any]], None] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Load a folder of any number of processes, or a file.

        Args:
            filename (str): The checkpoint.
            callback (Callable, optional): May change it before it is used.
            **kwargs: Not used.

        Returns:
            dict: What it holds besides weights.

        Raises:
            CheckpointError: If it is damaged or belongs to another model.
        """
        is_folder = is_distributed_checkpoint(filename)
        if is_folder:
            require_descriptions(filename)
            checkpoint = read_checkpoint(osp.join(filename, RUN_FILE))
            sharded = self._sharded_state('base_param_settings' in checkpoint)
            try:
                distributed_checkpoint.load(sharded, checkpoint_id=filename)
            except Exception as error:
                raise CheckpointError(
                    f'{filename} does not fit the model, or is damaged: '
                    f'{str(error).splitlines()[0]}'
                ) from error
            checkpoint.update(sharded)
        else:
            checkpoint = read_checkpoint(filename)
        if callback is not None:
            callback(checkpoint)
        weights = checkpoint.pop('state_dict')
        if not is_folder:
            weights = {name: _whole(value) for name, value in weights.items()}
        set_model_state_dict(
            self.model,
            weights,
            options=StateDictOptions(full_state_dict=not is_folder),
        )
        return checkpoint

    def resume(self, filename: str, **kwargs: Any) -> dict[str, Any]:
        """Continue from a folder; see ``BaseStrategy.resume``.

        Args:
            filename (str): The folder.
            **kwargs: Arguments of ``BaseStrategy.resume``.

        Raises:
            CheckpointError: If it is a file: the optimizer's state in it is
                that of another strategy.
        """
        if not is_distributed_checkpoint(filename):
            raise CheckpointError(
                f'{filename} was not saved by FullyShardedStrategy: '
                'load_from=FILE starts from its weights'
            )
        checkpoint = super().resume(filename, **kwargs)
        settings = checkpoint.pop('base_param_settings')
        self.optim_wrapper.base_param_settings = settings
        return checkpoint

    def load_optim_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take this process's shards of the optimizer's state.

        Args:
            state_dict (dict): By names of parameters.
        """
        set_optimizer_state_dict(
            self.model, self.optim_wrapper.optimizer, state_dict
        )


def _whole(value: torch.Tensor) -> torch.Tensor:
    return value.full_tensor() if isinstance(value, DTensor) else value


def _replace(source: str, target: str) -> None:
    """Put a folder in the place of another."""
    former = f'{target}.former'
    shutil.rmtree(former, ignore_errors=True)
    if osp.exists(target):
        os.rename(target, former)
    os.rename(source, target)
    shutil.rmtree(former, ignore_errors=True)
