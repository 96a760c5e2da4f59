"""Save checkpoints so that a kill at any moment leaves a whole one."""

from __future__ import annotations

import os.path as osp
from functools import partial
from glob import escape, glob
from typing import Any

from mmengine import dist
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as BaseCheckpointHook

from m3i_mm.checkpoints.latest import STOPPED, point_to
from m3i_mm.checkpoints.reading import check_file
from m3i_mm.registry import HOOKS

from ..saving import finish_saving, gather_state, when_saved

__all__ = ['CheckpointHook']


@HOOKS.register_module()
class CheckpointHook(BaseCheckpointHook):
    """MMEngine's hook, which removes old checkpoints last.

    An older checkpoint, or a former best one, goes only after the newer one
    was written and read back, and ``last_checkpoint`` is replaced as a whole.
    All processes wait for it. ``tools/train.py`` takes this hook wherever a
    config has ``type='CheckpointHook'``.

    Args:
        **kwargs: As in ``mmengine.hooks.CheckpointHook``.
    """

    def _save_checkpoint_with_step(
        self, runner: Any, step: int, meta: dict[str, Any]
    ) -> None:
        gather_state(runner)
        outdated = self._keep(runner, step)
        filename = self.filename_tmpl.format(step)
        path = self.file_backend.join_path(self.out_dir, filename)
        self.last_ckpt = path
        runner.message_hub.update_info('last_ckpt', path)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        when_saved(
            runner, partial(self._complete, runner.work_dir, path, outdated)
        )
        dist.barrier()

    def after_train(self, runner: Any) -> None:
        """Wait for what is written in the background, and publish."""
        finish_saving(runner)
        super().after_train(runner)

    def _complete(self, work_dir: str, path: str, outdated: list[int]) -> None:
        """Let a checkpoint that was written take the place of older ones."""
        # nothing to check of folders and of other machines
        if osp.isfile(path):
            check_file(path)
        point_to(work_dir, path)
        for step in outdated:
            self._remove(self.filename_tmpl.format(step))
        stopped = STOPPED.format('*')
        for old in glob(osp.join(escape(work_dir), stopped)):
            self._remove(osp.basename(old))

    def _keep(self, runner: Any, step: int) -> list[int]:
        """Note a checkpoint; return those that it replaces."""
        if self.max_keep_ckpts <= 0:
            return []
        kept = [*self.keep_ckpt_ids]
        if step not in kept:
            kept.append(step)
        outdated = kept[: -self.max_keep_ckpts]
        self.keep_ckpt_ids.clear()
        self.keep_ckpt_ids.extend(kept[-self.max_keep_ckpts :])
        runner.message_hub.update_info(
            'keep_ckpt_ids', list(self.keep_ckpt_ids)
        )
        return outdated

    def _save_best_checkpoint(
        self, runner: Any, metrics: dict[str, Any]
    ) -> None:
        # without a former path MMEngine removes nothing before it saves
        former = getattr(self, 'best_ckpt_path', None)
        formers = dict(getattr(self, 'best_ckpt_path_dict', {}))
        self.best_ckpt_path = None
        self.best_ckpt_path_dict = dict.fromkeys(formers)
        super()._save_best_checkpoint(runner, metrics)
        self.best_ckpt_path = self._replace_best(former, self.best_ckpt_path)
        for name, old in formers.items():
            new = self._replace_best(old, self.best_ckpt_path_dict[name])
            self.best_ckpt_path_dict[name] = new

    def _replace_best(self, former: str | None, new: str | None) -> str | None:
        if new is None:
            return former
        if former is not None and former != new and is_main_process():
            self._remove(former)
        return new

    def _remove(self, name: str) -> None:
        path = self.file_backend.join_path(self.out_dir, name)
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):
            self.file_backend.rmtree(path)
