"""Train SimCLR, BYOL and MoCo here and by others' code, side by side.

CIFAR-10 alone; encoder, data, views, optimiser and schedule are the same, and
so are order and views of a seed. Finished runs are kept. Those of lightly need
it: pip install --no-deps -r requirements/calibration.txt
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rows import CONFIGS
from run import RunError, Trial, run
from tables import load_scores, write_tables

__all__ = ['PAIRS', 'main']

HERE = Path(__file__).parent
RESULTS = HERE / 'results' / 'calibration'
# ours, and by others
PAIRS = {
    'simclr': 'simclr-lightly',
    'byol': 'byol-lightly',
    'moco': 'moco-lightly',
    'mocov3': 'mocov3-mmpretrain',
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what has no result yet, and print a table for each pair."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--pairs', nargs='+', choices=PAIRS, default=[*PAIRS])
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--images', type=int, default=8192, help='pictures that a run sees'
    )
    parser.add_argument(
        '--data-root', type=Path, default=Path('data/photographs')
    )
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/calibration')
    )
    parser.add_argument(
        '--table', action='store_true', help='run nothing, only print'
    )
    args = parser.parse_args(arguments)
    os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    try:
        if not args.table:
            _run(args)
        for pair in PAIRS.items():
            scores = load_scores(RESULTS, pair)
            if scores:
                print(write_tables(scores, pair[0]), end='\n\n')
    except RunError as error:
        raise SystemExit(f'error: {error}') from error


def _run(args: argparse.Namespace) -> None:
    for seed in args.seeds:
        for pair in args.pairs:
            for row in (pair, PAIRS[pair]):
                config = CONFIGS / 'calibration' / f'{row}.py'
                trial = Trial(
                    row,
                    seed,
                    args.images,
                    precision='bfloat16',
                    config=config,
                )
                run(trial, args.data_root, RESULTS, args.work_dir)


if __name__ == '__main__':
    main()
