"""Time DCNv3's backward pass with and without the gradient of the input.

Prints a table in Markdown; with --out also writes it as JSON.
"""

import argparse

import torch

from m3i_mm.benchmarks.atomics import COLUMNS, benchmark_atomics
from m3i_mm.benchmarks.dcnv3 import layers_of
from m3i_mm.benchmarks.measure import (
    add_benchmark_arguments,
    environment,
    markdown_table,
    require_backends,
    write_json,
)
from m3i_mm.ops.deform_conv_v3.backends import BACKENDS
from m3i_mm.runs.arguments import make_parser, output_file
from m3i_mm.runs.explain import errors_in_one_line


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s --archs tiny --image-sizes 32x32 --backend torch',
    )
    add_benchmark_arguments(parser)
    parser.add_argument(
        '--backend',
        choices=list(BACKENDS),
        metavar='NAME',
        default='triton_atomic',
        help='backend of DCNv3 (default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        type=output_file('.json'),
        metavar='FILE',
        help='JSON file to write',
    )
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Measure, print, write."""
    args = parse_args()
    require_backends([args.backend], args.device)
    rows = [
        benchmark_atomics(
            layer,
            args.device,
            getattr(torch, args.dtype),
            args.min_seconds,
            args.backend,
        )
        for arch in args.archs
        for size in args.image_sizes
        for layer in layers_of(arch, size, args.batch_size)
    ]
    print(environment(args.device), f'batch {args.batch_size}, {args.dtype}')
    print(markdown_table(rows, COLUMNS))
    if args.out:
        write_json(args.out, args.device, rows)


if __name__ == '__main__':
    main()
