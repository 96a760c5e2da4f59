"""Measure what lists of many rows cost: time to open, memory, rows a second.

The lists are generated in a folder that needs 90 bytes a row, and removed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from m3i_mm.benchmarks.lists import measure_list, write_list
from m3i_mm.runs.arguments import make_parser, number, output_folder
from m3i_mm.runs.explain import errors_in_one_line


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s --rows 1e4 --suffixes csv',
    )
    parser.add_argument(
        '--rows',
        nargs='+',
        type=number(1),
        default=[1e6, 1e7],
        help='rows of the lists (default: 1e6 1e7)',
    )
    parser.add_argument(
        '--suffixes',
        nargs='+',
        default=['tsv', 'csv', 'jsonl', 'parquet'],
        choices=['tsv', 'csv', 'jsonl', 'parquet'],
        help='kinds of lists (default: all)',
    )
    parser.add_argument(
        '--folder',
        type=output_folder,
        help='where the lists are written (default: a temporary)',
    )
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Measure and print a table."""
    args = parse_args()
    print('| list | rows | GB | open, s | first batch, s | rows/s | MiB |')
    print('|---|---|---|---|---|---|---|')
    for suffix in args.suffixes:
        for rows in map(int, args.rows):
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                path = Path(folder) / f'list.{suffix}'
                write_list(path, rows)
                cost = measure_list(path)
            print(
                f'| {suffix} | {cost.rows:,} | {cost.gigabytes:.2f} '
                f'| {cost.open_seconds:.1f} | {cost.batch_seconds:.2f} '
                f'| {cost.rows_per_second:,.0f} | {cost.memory_mib:,.0f} |',
                flush=True,
            )


if __name__ == '__main__':
    main()
