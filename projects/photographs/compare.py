"""Compare all-in-one pre-training with its parts, on real photographs.

Rows x seeds at an equal budget of pictures seen, or of processor time.
Finished runs are kept: interrupted, it goes on where it was. The table is made
of the results that are there, also with --table alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from budgets import pictures_for
from rows import PIXELS, ROWS, missing_sets, settings, stages_of
from run import RunError, Trial, read_result, result_file, run
from tables import (
    draw_scores,
    load_scores,
    seed_deviations,
    write_choice,
    write_tables,
)

from m3i_mm.utils.processes import follow_parent

HERE = Path(__file__).parent


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line, and refuse what makes no sense."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--rows', nargs='+', choices=[*ROWS, *settings()], default=ROWS
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--images',
        type=int,
        default=8192,
        help='pictures that a run sees (default: %(default)s)',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        help='processor time of a training, in the place of --images',
    )
    parser.add_argument(
        '--measured',
        type=Path,
        default=HERE / 'results/equal-pictures',
        help='results that say what an epoch takes (default: %(default)s)',
    )
    parser.add_argument(
        '--part',
        choices=('test', 'val'),
        default='test',
        help='settings are chosen on val (default: %(default)s)',
    )
    parser.add_argument(
        '--rates',
        nargs='+',
        type=float,
        default=[None],
        help="learning rates to try of each row (default: the config's)",
    )
    parser.add_argument(
        '--precision',
        choices=('float32', 'bfloat16'),
        default='bfloat16',
        help='of the trainings (default: %(default)s)',
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
        default=HERE / 'results/equal-pictures',
        help='folder of the result files (default: %(default)s)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/photographs'),
        help='folder of logs and checkpoints (default: %(default)s)',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=os.cpu_count(),
        help='runs at a time, one a core (default: %(default)s)',
    )
    parser.add_argument(
        '--reference',
        default='m3i',
        help='run that the others are compared with (default: %(default)s)',
    )
    parser.add_argument(
        '--table', action='store_true', help='run nothing, only print'
    )
    parser.add_argument(
        '--plot', type=Path, metavar='PNG', help='draw all runs as well'
    )
    args = parser.parse_args(arguments)
    refuse_repetition(parser, args.seeds)
    return args


def refuse_repetition(
    parser: argparse.ArgumentParser, seeds: Sequence[int]
) -> None:
    """Stop at a seed that is given more than once."""
    repeated = sorted({s for s in seeds if seeds.count(s) > 1})
    if repeated:
        parser.error(f'--seeds: {repeated} more than once; a run is one run')


def list_trials(args: argparse.Namespace) -> list[Trial]:
    """List all runs that are asked for, finished or not.

    Raises:
        RunError: If it is not known what a row sees in a processor time.
    """
    images = {row: pictures_of(row, args) for row in args.rows}
    # all rows of one seed first: each is a whole comparison
    return [
        Trial(row, seed, images[row], args.part, rate, args.precision)
        for seed in args.seeds
        for row in args.rows
        if row != PIXELS or seed == args.seeds[0]
        for rate in args.rates
    ]


def list_names(args: argparse.Namespace) -> list[str]:
    """List what the table has: of a choice, all that was ever tried."""
    if args.part == 'val':
        return sorted(path.name for path in args.results.glob('*/'))
    names = (
        Trial(row, 0, 0, rate=rate).name
        for row in args.rows
        for rate in args.rates
    )
    return list(dict.fromkeys(names))


def pictures_of(row: str, args: argparse.Namespace) -> int:
    """Return how many pictures a row sees."""
    stages = stages_of(row)
    if args.seconds is None or not stages:
        return args.images
    return pictures_for(args.seconds, args.measured, row, stages)


def start_runs(args: argparse.Namespace) -> list[str]:
    """Run what has no result yet; return what failed."""
    missing = missing_sets(args.data_root)
    if missing:
        raise RunError(
            '\n'.join(missing) + '\nREADME.md says how each is prepared'
        )
    trials = list_trials(args)
    todo = [
        trial
        for trial in trials
        if read_result(result_file(args.results, trial.name, trial.seed))
        is None
    ]
    # a process computes with one thread, and reads the test sets once
    os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    places = args.data_root, args.results, args.work_dir
    with ProcessPoolExecutor(
        args.jobs, get_context('spawn'), initializer=follow_parent
    ) as pool:
        runs = {
            f'{trial.name}, seed {trial.seed}': pool.submit(
                run, trial, *places
            )
            for trial in todo
        }
        failed = []
        for name, future in runs.items():
            error = future.exception()
            if error is not None:
                failed.append(f'{name}: {error}')
            print(f'{name}: {error or "done"}', flush=True)
    return failed


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison and print its tables."""
    args = parse_args(arguments)
    try:
        failed = [] if args.table else start_runs(args)
        scores = load_scores(args.results, list_names(args))
        if args.part == 'val':
            first = load_scores(HERE / 'results/experiment-1', ROWS)
            print(write_choice(scores, seed_deviations(first)))
        else:
            print(write_tables(scores, args.reference))
        if args.plot:
            draw_scores(scores, args.plot)
    except RunError as error:
        raise SystemExit(f'error: {error}') from error
    if failed:
        raise SystemExit('\n'.join(['error: these runs failed', *failed]))


if __name__ == '__main__':
    main()
