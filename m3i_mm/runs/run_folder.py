"""Config and weights of a run, by its work folder."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from m3i_mm.checkpoints import find_latest

from .config_check import ConfigError
from .reading import config_of_released

__all__ = ['checkpoint_of', 'find_run', 'model_of']


def find_run(folder: str | Path) -> tuple[str, str]:
    """Find the newest config and the last checkpoint of a run.

    Args:
        folder (str | Path): Work folder of a training.

    Returns:
        tuple[str, str]: Their paths.

    Raises:
        ConfigError: If the folder has no config or no checkpoint.
        CheckpointError: If the last checkpoint is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f'there is no folder {str(folder)!r}')
    configs = sorted(folder.glob('*.py'), key=lambda f: f.stat().st_mtime)
    latest = find_latest(str(folder))
    if not configs or latest is None:
        lacking = 'checkpoint' if configs else 'config'
        raise ConfigError(
            f'{folder} has no {lacking}: it is not the work folder of a run '
            'that saved one'
        )
    return str(configs[-1]), latest


def model_of(args: Namespace) -> tuple[str, str]:
    """Return config and checkpoint of ``add_model_options``.

    Args:
        args (Namespace): With ``run``, ``config`` and ``checkpoint``.

    Returns:
        tuple[str, str]: Their paths, or names.

    Raises:
        ConfigError: If they are not given, or the run does not have them.
    """
    if args.run and not (args.config or args.checkpoint):
        return find_run(args.run)
    if args.run or not args.checkpoint:
        raise ConfigError(
            'give --run RUN, or --config FILE and --checkpoint FILE'
        )
    return args.config or config_of_released(args.checkpoint), args.checkpoint


def checkpoint_of(run: str) -> str:
    """Return the last checkpoint of a run, or the file that is named.

    Args:
        run (str): Work folder of a training, or a checkpoint, which may be a
            folder of files too.

    Raises:
        ConfigError: If a work folder has no checkpoint.
    """
    if Path(run).is_dir() and any(Path(run).glob('*.py')):
        return find_run(run)[1]
    return run
