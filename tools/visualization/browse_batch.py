"""Draw what a model will get: both views with their crop boxes on the
original, the target patches in the input view, the mix and its mask, labels
and texts.
"""  # noqa: D205

from __future__ import annotations

import argparse

from m3i_mm.runs.arguments import (
    add_config_options,
    make_parser,
    output_file,
    whole_number,
)
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import read_config
from m3i_mm.visualization import browse_batch


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '', '%(prog)s runs/photos/pretrain.py --out batch.png'
    )
    parser.add_argument('config', help='training config')
    parser.add_argument(
        '--out',
        type=output_file('.png'),
        metavar='FILE',
        default='batch.png',
        help='PNG file to write (default: %(default)s)',
    )
    parser.add_argument(
        '--samples',
        type=whole_number(),
        default=8,
        help='most samples to draw (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=whole_number(0, 2**32 - 1),
        default=0,
        help='seed of order and augmentation (default: %(default)s)',
    )
    add_config_options(parser)
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Draw the batch."""
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    browse_batch(cfg, args.out, args.samples, args.seed)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
