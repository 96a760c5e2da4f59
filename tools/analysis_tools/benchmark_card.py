"""Measure on a GPU all that docs/benchmarks.md has no number for yet.

Runs in the repository's root, in pieces of ten minutes at most; a second call
goes on with the pieces that are missing or failed. First the tests of the
kernels, then atomics, operator, backbone and steps of pre-training.
"""

import argparse
import sys
from pathlib import Path

from m3i_mm.benchmarks.card import LIMIT_SECONDS, pieces, run_pieces
from m3i_mm.runs.arguments import make_parser, number
from m3i_mm.runs.explain import errors_in_one_line


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s --list',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/card'),
        help='folder for results and logs (default: %(default)s)',
    )
    parser.add_argument(
        '--pieces', nargs='+', help='some of them (default: all)'
    )
    parser.add_argument(
        '--limit',
        type=number(1),
        default=LIMIT_SECONDS,
        help='seconds for a piece (default: %(default)s)',
    )
    parser.add_argument(
        '--list', action='store_true', help='print the commands only'
    )
    args = parser.parse_args()
    known = pieces(args.out)
    unknown = set(args.pieces or ()) - set(known)
    if unknown:
        parser.error(f'unknown pieces {sorted(unknown)}: {list(known)}')
    args.commands = {name: known[name] for name in args.pieces or known}
    return args


@errors_in_one_line()
def main() -> None:
    """Run, or list."""
    args = parse_args()
    if args.list:
        for name, command in args.commands.items():
            print(f'{name}: python {" ".join(command)}')
        return
    succeeded = run_pieces(args.commands, args.out, args.limit)
    sys.exit(not all(succeeded.values()))


if __name__ == '__main__':
    main()
