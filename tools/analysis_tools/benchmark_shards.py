"""Measure loading from large local shards: images a second and memory.

The shards are generated in a folder that needs shards x pictures x 50 kB, and
removed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from m3i_mm.benchmarks.shards import (
    measure_loading,
    stack_pictures,
    write_shards,
)
from m3i_mm.datasets import ShardSource, SourceDataset
from m3i_mm.datasets.transforms import DecodeImage
from m3i_mm.runs.arguments import make_parser, output_folder, whole_number
from m3i_mm.runs.explain import errors_in_one_line

# a JPEG of 50 kB
SIZE = (300, 420)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s --shards 2 --pictures 64 --workers 1 --batches 3',
    )
    for name, default, text in (
        ('shards', 8, 'number of shards'),
        ('pictures', 10_000, 'pictures in a shard'),
        ('workers', 8, 'processes of the loader'),
        ('batch-size', 32, 'pictures in a batch'),
        ('batches', 600, 'batches that are loaded'),
        ('seconds', 100, 'when to stop before'),
    ):
        parser.add_argument(
            f'--{name}',
            type=whole_number(),
            default=default,
            help=f'{text} (%(default)s)',
        )
    parser.add_argument(
        '--folder',
        type=output_folder,
        help='where the shards are written (default: a temporary)',
    )
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Measure and print a table."""
    args = parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        size = write_shards(Path(folder), args.shards, args.pictures, SIZE)
        data = SourceDataset(
            ShardSource(f'{folder}/*.tar'), [DecodeImage(), stack_pictures]
        )
        cost = measure_loading(
            data,
            args.workers,
            args.batch_size,
            args.batches,
            most_seconds=args.seconds,
        )
    print(
        '| shards | MB a shard | workers | first batch, s | images/s | GiB |'
    )
    print('|---|---|---|---|---|---|')
    print(
        f'| {args.shards} | {size * args.pictures / 1e6:.0f} | {args.workers} '
        f'| {cost.first_seconds:.1f} | {cost.images_per_second:.0f} '
        f'| {cost.memory_gib:.2f} |'
    )


if __name__ == '__main__':
    main()
