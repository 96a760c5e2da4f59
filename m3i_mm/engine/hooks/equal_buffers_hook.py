"""Evaluate and save the same running statistics on all processes."""

from __future__ import annotations

from typing import Any

from mmengine import dist
from mmengine.hooks import Hook
from torch.nn.modules.batchnorm import _NormBase

from m3i_mm.registry import HOOKS

__all__ = ['EqualBuffersHook']


@HOOKS.register_module()
class EqualBuffersHook(Hook):
    """Averages running means and variances over processes.

    Batch normalisation without synchronisation keeps those of each process,
    and a checkpoint has those of the first: its metrics would not be the ones
    that were logged. They are averaged before every validation and
    checkpoint, by any loop; other buffers are left alone.
    """

    def before_val(self, runner: Any) -> None:
        """Average ahead of a validation."""
        self.gather_state(runner)

    def gather_state(self, runner: Any) -> None:
        """Average ahead of a checkpoint."""
        if dist.get_world_size() == 1:
            return
        for module in runner.model.modules():
            if isinstance(module, _NormBase) and module.track_running_stats:
                for statistic in (module.running_mean, module.running_var):
                    if statistic is not None:
                        dist.all_reduce(statistic, 'mean')
