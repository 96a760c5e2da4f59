"""Save a checkpoint together with what only all processes know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine import dist
from mmengine.dist import is_main_process

__all__ = [
    'finish_saving',
    'gather_state',
    'save_checkpoint',
    'when_saved',
]


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


def when_saved(runner: Any, action: Callable[[], None]) -> None:
    """Do something once the last checkpoint is complete.

    Args:
        runner (Runner): The runner; a strategy that saves in the background
            has a method ``when_saved``.
        action (Callable): Called on the first process, now or later.
    """
    strategy: Any = getattr(runner, 'strategy', None)
    if hasattr(strategy, 'when_saved'):
        strategy.when_saved(action)
    elif is_main_process():
        action()


def finish_saving(runner: Any) -> None:
    """Wait for checkpoints that are written in the background."""
    strategy: Any = getattr(runner, 'strategy', None)
    if hasattr(strategy, 'finish_saving'):
        strategy.finish_saving()


def save_checkpoint(runner: Any, filename: str) -> str:
    """Save to the work folder outside the order of ``CheckpointHook``.

    Args:
        runner (Runner): The runner, on every process.
        filename (str): Name of the file.

    Returns:
        str: The path. The file is complete when any process returns.
    """
    gather_state(runner)
    runner.save_checkpoint(runner.work_dir, filename, by_epoch=False)
    finish_saving(runner)
    dist.barrier()
    return f'{runner.work_dir}/{filename}'
