"""Count what a training step of InternImage reads and writes on a GPU.

Needs no GPU and computes nothing; see m3i_mm.benchmarks.traffic and, for
--compile, m3i_mm.benchmarks.compiled_traffic for what counts. Prints a table
in Markdown, the largest operators first.
"""

import argparse

import torch

from m3i_mm.benchmarks.compiled_traffic import traffic_of_compiled_step
from m3i_mm.benchmarks.measure import add_network_arguments, markdown_table
from m3i_mm.benchmarks.traffic import COLUMNS, table_rows, traffic_of_step
from m3i_mm.runs.arguments import make_parser
from m3i_mm.runs.explain import errors_in_one_line


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s --archs tiny --image-sizes 32x32 --dtype bfloat16',
    )
    add_network_arguments(parser)
    parser.add_argument(
        '--compile',
        action='store_true',
        help='under torch.compile: what the kernels of Inductor move',
    )
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Count and print."""
    args = parse_args()
    count = traffic_of_compiled_step if args.compile else traffic_of_step
    for arch in args.archs:
        for size in args.image_sizes:
            traffic = count(
                arch, size, args.batch_size, getattr(torch, args.dtype)
            )
            height, width = size
            print(
                f'InternImage {arch}, {args.batch_size} images of '
                f'{height}x{width}, {args.dtype}'
            )
            print(markdown_table(table_rows(traffic), COLUMNS))


if __name__ == '__main__':
    main()
