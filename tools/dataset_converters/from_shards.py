"""Write the samples of shards (or of any source) as pictures and a list."""

from __future__ import annotations

import argparse
from pathlib import Path

from m3i_mm.datasets.converters.inputs import (
    KINDS,
    one_line_errors,
    open_source,
)
from m3i_mm.datasets.converters.pack import unpack_shards
from m3i_mm.runs.arguments import (
    add_config_options,
    make_parser,
    output_folder,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '', "m3i data from-shards 'shards/*.tar' pictures"
    )
    parser.add_argument('path', help='pattern of shards, folder, or list')
    parser.add_argument('out', type=output_folder, help='folder to write to')
    parser.add_argument(
        '--kind',
        choices=sorted(KINDS),
        help='what the path is (default: by its suffix)',
    )
    add_config_options(
        parser, '--source-options', 'settings of the source, key=value'
    )
    return parser.parse_args()


@one_line_errors()
def main() -> None:
    """Unpack the samples."""
    args = parse_args()
    source = open_source(args.path, args.kind, **args.source_options)
    count = unpack_shards(source, Path(args.out))
    print(f'{count} of {len(source)} samples in {args.out}/samples.jsonl')


if __name__ == '__main__':
    main()
