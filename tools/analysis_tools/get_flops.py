"""Count parameters and multiply-accumulates of a model or its backbone.

Nothing is computed: the model is built without memory, at any size.
"""

import argparse

from m3i_mm.benchmarks.complexity import build_without_memory, count_complexity
from m3i_mm.runs.arguments import add_config_options, make_parser, whole_number
from m3i_mm.runs.building import require_images_alone
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import read_config


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s internimage-t_32xb128-amp-coslr-300e_in1k',
    )
    parser.add_argument(
        'config',
        help='config of a classifier, segmentor or pre-training, or with '
        '--part backbone of any model',
    )
    parser.add_argument(
        '--part',
        choices=['model', 'backbone'],
        default='model',
        help='what to count (default: %(default)s)',
    )
    parser.add_argument(
        '--shape',
        type=whole_number(),
        nargs=2,
        default=[224, 224],
        metavar=('HEIGHT', 'WIDTH'),
        help='size of the image in pixels (default: 224 224)',
    )
    add_config_options(parser)
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Count and print."""
    args = parse_args()
    config = read_config(args.config, args.cfg_options)
    require_images_alone(config, args.part)
    model = build_without_memory(config, args.part)
    complexity = count_complexity(model, tuple(args.shape))
    print(f'Image size: {args.shape[0]}x{args.shape[1]}')
    print(f'Parameters: {complexity.parameters:,}')
    print(f'Multiply-accumulates: {complexity.macs / 1e9:.2f} G')


if __name__ == '__main__':
    main()
