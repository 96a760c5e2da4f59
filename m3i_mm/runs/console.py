"""What a run shows on the console; its log file has everything."""

from __future__ import annotations

import contextlib
import io
import logging
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

from .schedules import without_empty

__all__ = ['QuietRunner', 'describe_run', 'import_quietly']

# how the long or stray messages of MMEngine begin
_FOR_THE_FILE = (
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    'Config:',
    'Distributed training is not used',
    'Hooks will be executed in the following order',
    'System environment:',
    '`save_param_scheduler` is True but',
)


class _Brief(logging.Filter):
    """Keeps messages off the console that only a log file needs."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().lstrip('\n-').startswith(_FOR_THE_FILE)


class QuietRunner(Runner):
    """MMEngine's runner with a console that fits on a screen.

    The environment, the config and the order of the hooks, hundreds of lines,
    go to the log file alone. Schedules without an iteration are left out.
    """

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedules; see MMEngine."""
        length = len(self.train_dataloader)
        return super().build_param_scheduler(without_empty(scheduler, length))

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger; see MMEngine."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_Brief())
        return logger


def describe_run(runner: Any) -> str:
    """Say what a runner is about to train, and where it writes.

    Args:
        runner (Runner): The runner before its training.

    Returns:
        str: One line.
    """
    model = getattr(runner, 'model', None)
    parameters = [] if model is None else list(model.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    return (
        f'{type(model).__name__}: {count / 1e6:.2f} M parameters, '
        f'{trained / 1e6:.2f} M of them trained. The whole log and config '
        f'are in {runner.log_dir}'
    )


def import_quietly(library: str) -> None:
    """Import the data sets of a library without what it prints meanwhile.

    Args:
        library (str): Name of the package; nothing happens without it.
    """
    if find_spec(library) is None or find_spec(f'{library}.datasets') is None:
        return
    with contextlib.redirect_stdout(io.StringIO()):
        import_module(f'{library}.datasets')
