"""Fine-tune encoders of the comparison on street scenes and on COCO.

Rows x seeds x tasks; each seed of a row is pre-trained once. Finished runs are
kept: interrupted, it goes on where it was. The tables are made of the results
that are there, also with --table alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from compare import refuse_repetition
from fine_tuning import TASKS, FineTuning, fine_tune
from rows import RANDOM, SETS, missing_sets
from run import RunError
from tables import load_scores, write_tables

from m3i_mm.checkpoints import CheckpointError

__all__ = ['ROWS', 'main']

HERE = Path(__file__).parent
REFERENCE = 'm3i-contrast'
ROWS = (REFERENCE, 'supervised', 'simclr', RANDOM)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line, and refuse what makes no sense."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--tasks', nargs='+', choices=TASKS, default=[*TASKS])
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=ROWS)
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--images',
        type=int,
        default=16384,
        help='pictures that a pre-training sees (default: %(default)s)',
    )
    parser.add_argument(
        '--epochs', type=int, help="of fine-tuning (default: the config's)"
    )
    parser.add_argument(
        '--part',
        choices=('test', 'val'),
        default='test',
        help='learning rates are chosen on val (default: %(default)s)',
    )
    parser.add_argument(
        '--rates',
        nargs='+',
        type=float,
        default=[None],
        help='learning rates of fine-tuning (default: those chosen)',
    )
    parser.add_argument(
        '--data-root',
        type=Path,
        default=Path('data/photographs'),
        help='folder of the sets, see README.md (default: %(default)s)',
    )
    parser.add_argument(
        '--results',
        type=Path,
        default=HERE / 'results/downstream',
        help='folder of the result files (default: %(default)s)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/downstream'),
        help='folder of logs and checkpoints (default: %(default)s)',
    )
    parser.add_argument(
        '--table', action='store_true', help='run nothing, only print'
    )
    args = parser.parse_args(arguments)
    refuse_repetition(parser, args.seeds)
    return args


def list_trials(args: argparse.Namespace) -> list[FineTuning]:
    """List all runs that are asked for, finished or not.

    Raises:
        RunError: If a task does not have the part.
    """
    return [
        FineTuning(task, row, seed, args.images, args.part, rate, args.epochs)
        for task in args.tasks
        for seed in args.seeds
        for row in args.rows
        for rate in args.rates
    ]


def results_of(args: argparse.Namespace, task: str) -> Path:
    """Return the folder of the results of a task and part."""
    return args.results / (task if args.part == 'test' else f'{task}-val')


def start_runs(args: argparse.Namespace) -> None:
    """Run what has no result yet, one after the other.

    Raises:
        RunError: If a set is missing, or a run cannot be started.
        CheckpointError: If an encoder is not filled.
    """
    trials = list_trials(args)
    sets = {k: v for t in args.tasks for k, v in TASKS[t].sets.items()}
    if any(row != RANDOM for row in args.rows):
        sets = {**SETS, **sets}
    missing = missing_sets(args.data_root, sets)
    if missing:
        raise RunError(
            '\n'.join(missing) + '\nREADME.md says how each is prepared'
        )
    os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    for trial in trials:
        results = results_of(args, trial.task)
        path = fine_tune(trial, args.data_root, results, args.work_dir)
        print(f'{path}: done', flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the fine-tunings and print a pair of tables for each task."""
    args = parse_args(arguments)
    try:
        if not args.table:
            start_runs(args)
        for task in args.tasks:
            names = sorted({t.name for t in list_trials(args)})
            metrics = {name: (name,) for name in TASKS[task].metrics}
            scores = load_scores(results_of(args, task), names, metrics)
            if scores:
                tables = write_tables(scores, REFERENCE, tuple(metrics))
                print(f'{task}\n\n{tables}\n')
    except (RunError, CheckpointError) as error:
        raise SystemExit(f'error: {error}') from error


if __name__ == '__main__':
    main()
