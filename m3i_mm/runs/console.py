"""What a run shows on the console; its log file has everything."""

from __future__ import annotations

import io
import logging
import os.path as osp
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

from .schedules import cut_warmups, without_empty

__all__ = ['QuietRunner', 'describe_run', 'import_quietly', 'quietly']

# how the long or stray messages of MMEngine begin
_FOR_THE_FILE = (
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    'Checkpoints will be saved to',
    'Config:',
    'Distributed training is not used',
    'Failed to search registry with scope',
    'Hooks will be executed in the following order',
    'Loads checkpoint by',
    'System environment:',
    'The prefix is not set in metric class',
    '`save_param_scheduler` is True but',
    'paramwise_options',
)


class _Brief(logging.Filter):
    """Keeps messages off the console that only a log file needs."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().lstrip('\n-').startswith(_FOR_THE_FILE)


class QuietRunner(Runner):
    """MMEngine's runner with a console that fits on a screen.

    The environment, the config and the order of the hooks, hundreds of lines,
    and Python's warnings go to the log file alone. Schedules without an
    iteration are left out, and a warm-up is cut that would last to the end.
    """

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedules; see MMEngine."""
        for note in cut_warmups(scheduler, self.max_iters):
            self.logger.info(note)
        length = len(self.train_dataloader)
        return super().build_param_scheduler(without_empty(scheduler, length))

    def dump_config(self) -> None:
        """Write the whole config, but not over the file that it is from."""
        name = self.cfg.filename
        target = osp.join(self.work_dir, osp.basename(name or ''))
        if name and osp.isfile(target) and osp.samefile(name, target):
            return  # the log folder has it as vis_data/config.py
        super().dump_config()

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger; see MMEngine."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                _warn_into(handler)
            else:
                handler.addFilter(_Brief())
        return logger


def _warn_into(handler: logging.Handler) -> None:
    logging.captureWarnings(True)
    warnings_ = logging.getLogger('py.warnings')
    warnings_.handlers = [handler]
    warnings_.propagate = False


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
        f'{trained / 1e6:.2f} M of them trained. Checkpoints go to '
        f'{runner.work_dir}, the whole log and config to {runner.log_dir}'
    )


@contextmanager
def quietly() -> Iterator[None]:
    """Keep off the console what libraries print and warn of.

    The log goes on, but for what only a log file needs.
    """
    # made before, for its handler keeps the stream that it finds
    logger = MMLogger.get_current_instance()
    brief = _Brief()
    for handler in logger.handlers:
        handler.addFilter(brief)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for handler in logger.handlers:
            handler.removeFilter(brief)


def import_quietly(library: str) -> None:
    """Import a library's data sets and hooks without what they print.

    Args:
        library (str): Name of the package; nothing happens without it.
    """
    if find_spec(library) is None:
        return
    for room in (f'{library}.datasets', f'{library}.engine'):
        if find_spec(room) is not None:
            with quietly():
                import_module(room)
