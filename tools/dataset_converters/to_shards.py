"""Pack pictures with labels and texts into WebDataset shards.

YFCC-15M, CC3M, CC12M and LAION as img2dataset leaves them (--kind files, or
shards, which are packed anew without broken samples), ImageNet-22k (--kind
imagenet22k, its archives as they are), COCO captions (--kind coco), lists
(CSV, TSV, JSON lines, Parquet) and folders. Interrupted, it goes on where it
was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from m3i_mm.datasets.converters.inputs import (
    KINDS,
    one_line_errors,
    open_source,
)
from m3i_mm.datasets.converters.pack import pack_shards
from m3i_mm.runs.arguments import (
    add_config_options,
    make_parser,
    output_folder,
    whole_number,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__ or '', 'm3i data to-shards photos shards')
    parser.add_argument('path', help='folder, list, or pattern of shards')
    parser.add_argument('out', type=output_folder, help='folder to write to')
    parser.add_argument(
        '--kind',
        choices=sorted(KINDS),
        help='what the path is (default: by its suffix)',
    )
    add_config_options(
        parser,
        '--source-options',
        'settings of the source, key=value: root=images text=caption',
    )
    parser.add_argument(
        '--samples-per-shard',
        type=whole_number(),
        default=10000,
        help='(default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=whole_number(0, 2**32 - 1),
        default=0,
        help='the samples are shuffled with it (default: %(default)s)',
    )
    parser.add_argument(
        '--keep-order', action='store_true', help='do not shuffle'
    )
    parser.add_argument(
        '--workers',
        type=whole_number(),
        default=1,
        help='shards written at a time (default: %(default)s)',
    )
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    """Pack the samples and print what was left out."""
    args = parse_args()
    source = open_source(args.path, args.kind, **args.source_options)
    index = pack_shards(
        source,
        Path(args.out),
        args.samples_per_shard,
        None if args.keep_order else args.seed,
        args.workers,
    )
    shards, left_out = index['shardlist'], index['left_out']
    count = sum(shard['nsamples'] for shard in shards)
    print(f'{count} samples in {len(shards)} shards in {args.out}')
    print(f'{len(left_out)} samples left out, see {args.out}/index.json')
    for fault in left_out[:10]:
        print(f'  {fault["key"]}: {fault["kind"]}: {fault["reason"]}')


if __name__ == '__main__':
    main()
