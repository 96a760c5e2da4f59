"""Measure how fast pictures become pairs of views.

Without a config: pipelines side by side on one core (this package,
MMPretrain's MoCo v3, torchvision v2, decoding alone). With a config: its
loader and its model, and which of them the training would wait for.
"""

from __future__ import annotations

import argparse

from m3i_mm.benchmarks.bottleneck import find_bottleneck
from m3i_mm.benchmarks.pipelines import compare_pipelines, load_jpegs
from m3i_mm.runs.arguments import (
    add_config_options,
    make_parser,
    number,
    whole_number,
)
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import read_config


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s --seconds 1',
    )
    parser.add_argument(
        'config', nargs='?', help='training config to find the bottleneck of'
    )
    parser.add_argument(
        '--images',
        metavar='FOLDER',
        help='folder of JPEG files to compare the pipelines on (default: '
        'photographs of 500 x 375 px that scikit-learn ships)',
    )
    parser.add_argument(
        '--seconds',
        type=number(0),
        default=5.0,
        help='processor time for each pipeline (default: %(default)s)',
    )
    parser.add_argument(
        '--steps',
        type=whole_number(),
        default=20,
        help='batches that are timed with a config (default: %(default)s)',
    )
    add_config_options(parser)
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Measure and print."""
    args = parse_args()
    if args.config:
        cfg = read_config(args.config, args.cfg_options)
        print(find_bottleneck(cfg, args.steps))
        return
    speeds = compare_pipelines(load_jpegs(args.images), args.seconds)
    reference = dict(speeds)['MMPretrain MoCo v3']
    print(f'{"pipeline":20} {"images/s/core":>14} {"relative":>9}')
    for name, speed in speeds:
        print(f'{name:20} {speed:14.1f} {speed / reference:9.2f}')


if __name__ == '__main__':
    main()
