"""From pictures to a backbone, without writing a config.

PHOTOS is a folder of pictures (flat, nested, or of classes), a list (CSV, TSV,
JSON lines, Parquet), WebDataset shards, a data set of Hugging Face on disk, or
several of them. What is found decides on the targets; all that is chosen is
said, and written to a config in the work folder.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import m3i_mm
from m3i_mm.checkpoints.publishing import publish
from m3i_mm.runs.arguments import (
    add_config_options,
    make_parser,
    whole_number,
)
from m3i_mm.runs.cli import main_train
from m3i_mm.runs.config_check import ConfigError, StepError
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.next_steps import downstream_configs
from m3i_mm.runs.own_data import find_backbone
from m3i_mm.runs.recipe import (
    TARGETS,
    Plan,
    model_names,
    plan_pretraining,
    write_recipe,
)
from m3i_mm.runs.run_folder import find_run
from m3i_mm.runs.survey import Survey, survey
from m3i_mm.utils.mistakes import MistakeExit

__all__ = ['main', 'pretrain']


def pretrain(
    photos: str | Sequence[str],
    work_dir: str = 'work_dirs/pretrain',
    model: str | None = None,
    epochs: int | None = None,
    image_size: int | None = None,
    batch_size: int | None = None,
    init: str | None = None,
    without: Sequence[str] = (),
    columns: dict[str, str] | None = None,
    amp: bool = False,
    devices: int = 1,
    check_only: bool = False,
    command: Sequence[str] = (),
) -> Path | None:
    """Pre-train on pictures.

    Args:
        photos (str | Sequence[str]): See :func:`m3i_mm.runs.survey.survey`;
            several become a mixture.
        work_dir (str): Folder for config, log, checkpoints and backbone.
        model (str, optional): One of ``m3i pretrain --help``. Like all that
            is not given, it follows from the pictures and the machine.
        epochs (int, optional): Passes over the pictures.
        image_size (int, optional): Side of a view in pixels.
        batch_size (int, optional): Pictures in a step of one device.
        init (str, optional): Work folder of a former run, or weights, that
            the backbone starts from.
        without (Sequence[str]): Targets to leave out: ``category``,
            ``text``, ``intra``, ``inter``.
        columns (dict, optional): Names of the columns ``image``, ``text`` and
            ``label`` of a list.
        amp (bool): Train with bfloat16.
        devices (int): Number of processes.
        check_only (bool): Write the config and try it, and train nothing.
        command (Sequence[str]): What the user typed, which the config tells.

    Returns:
        Path | None: The file of the backbone.

    Raises:
        SystemExit: With one line, if the pictures or an argument are wrong.
    """
    paths = [photos] if isinstance(photos, str) else list(photos)
    folder = Path(work_dir)
    config = folder / 'pretrain.py'
    with errors_in_one_line():
        if config.exists():
            raise ConfigError(
                f'{config} exists: choose another --work-dir, or go on with '
                f'm3i train {config} --work-dir {folder} --resume'
            )
        found = [survey(path, columns) for path in paths]
        plan = plan_pretraining(
            found,
            model,
            image_size,
            batch_size,
            epochs,
            list(without),
            devices,
        )
        if init is not None:
            init = find_backbone(init, '--init')
        write_recipe(config, found, plan, init, list(command))
    for part in found:
        print(part)
    print(f'{plan}\nconfig: {config}\n', flush=True)
    arguments = [str(config), '--work-dir', str(folder)]
    arguments += ['--amp'] * amp
    _check(arguments, config)
    if check_only:
        return None
    _train(arguments, devices)
    return _hand_over(folder, plan, found)


def _check(arguments: list[str], config: Path) -> None:
    """Try the config; one that cannot work does not bar the next attempt."""
    try:
        main_train([*arguments, '--dry-run'])
    except MistakeExit as stop:
        if not isinstance(stop.__cause__, StepError):
            config.unlink()
        raise


def _train(arguments: list[str], devices: int) -> None:
    if devices == 1:
        main_train(arguments)
        return
    script = Path(m3i_mm.__file__).parent / '.mim/tools/dist_train.sh'
    config, *rest = arguments
    command = ['bash', str(script), config, str(devices), *rest]
    # the interpreter that runs this, whether its folder is in PATH or not
    environment = {**os.environ, 'PYTHON': sys.executable}
    status = subprocess.run(command, env=environment, check=False).returncode
    if status:
        raise SystemExit(status)


def _hand_over(folder: Path, plan: Plan, found: list[Survey]) -> Path:
    """Write the backbone and say what can be done with it."""
    _, last = find_run(folder)
    backbone = Path(publish(last, str(folder / 'backbone.pth')))
    run, where = shlex.quote(str(folder)), shlex.quote(found[0].path)
    labelled = next((part.path for part in found if part.classes), None)
    steps = {
        'how well the nearest neighbours tell the classes of labelled '
        'pictures': f'm3i test {run} --data '
        + (shlex.quote(labelled) if labelled else 'LABELLED'),
        'the pictures that are most like one': (
            f'm3i search {where} --run {run} --like PICTURE'
        ),
        'features of pictures': (
            f'm3i embed {where} --run {run} --out features.npz'
        ),
    }
    if 'text' in plan.targets:
        steps['the pictures that words describe'] = (
            f"m3i search {where} --run {run} --words 'WORDS'"
        )
    for task, config in downstream_configs(plan.model).items():
        steps[f'{task} on the data in FOLDER'] = (
            f'm3i train {config} --backbone {run} --data FOLDER'
        )
    listed = (f'  # {what}\n  {command}' for what, command in steps.items())
    print('\n'.join([f'\nbackbone: {backbone}', 'next:', *listed]))
    return backbone


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``m3i pretrain``.

    Args:
        arguments (Sequence[str] | None): The command line.

    Raises:
        SystemExit: With one line, if the pictures or an argument are wrong.
    """
    parser = make_parser(
        __doc__ or '', 'm3i pretrain photos --work-dir runs/photos --epochs 20'
    )
    parser.add_argument('photos', nargs='+', metavar='PHOTOS')
    parser.add_argument(
        '--work-dir',
        metavar='FOLDER',
        default='work_dirs/pretrain',
        help='(%(default)s)',
    )
    parser.add_argument(
        '--model',
        help='default: what suits the machine. One of '
        + ', '.join(model_names()),
    )
    for name, text in {
        'epochs': 'passes over the pictures',
        'image-size': 'side of a view, px',
        'batch-size': 'pictures in a step',
    }.items():
        parser.add_argument(
            f'--{name}', type=whole_number(), metavar='N', help=text
        )
    parser.add_argument(
        '--init',
        metavar='RUN',
        help='work folder of a former run, or file of weights, that the '
        'backbone starts from',
    )
    parser.add_argument(
        '--without',
        nargs='+',
        default=[],
        metavar='TARGET',
        help=f'leave targets out, of {", ".join(TARGETS)}',
    )
    add_config_options(
        parser, '--columns', 'columns of a list: image=file text=caption ...'
    )
    parser.add_argument('--amp', action='store_true', help='bfloat16')
    parser.add_argument(
        '--devices',
        type=whole_number(),
        metavar='N',
        default=1,
        help='processes (%(default)s)',
    )
    parser.add_argument(
        '--check-only',
        action='store_true',
        help='write the config and try it, and train nothing',
    )
    pretrain(**vars(parser.parse_args(arguments)), command=sys.argv)
