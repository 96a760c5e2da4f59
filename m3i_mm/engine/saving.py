"""Save a checkpoint together with what only all processes know."""

from __future__ import annotations

from typing import Any

from mmengine import dist

__all__ = ['gather_state', 'save_checkpoint']


def gather_state(runner: Any) -> None:
    """Let hooks fetch from other processes what a checkpoint should hold.

    MMEngine calls ``before_save_checkpoint`` on the first process only, where
    nothing can be gathered. Hooks that need to have a method ``gather_state``
    that takes the runner.

    Args:
        runner (Runner): The runner, on every process.
    """
    for hook in runner.hooks:
        if hasattr(hook, 'gather_state'):
            hook.gather_state(runner)


def save_checkpoint(runner: Any, filename: str, meta: dict[str, Any]) -> str:
    """Save to the work folder outside the order of ``CheckpointHook``.

    Args:
        runner (Runner): The runner, on every process.
        filename (str): Name of the file.
        meta (dict): ``epoch`` and ``iter`` to continue from.

    Returns:
        str: The path. The file is complete when any process returns.
    """
    gather_state(runner)
    runner.save_checkpoint(
        runner.work_dir, filename, by_epoch=False, meta=meta
    )
    dist.barrier()
    return f'{runner.work_dir}/{filename}'
