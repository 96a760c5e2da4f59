"""Time InternImage with every backend of DCNv3: inference and training step.

Prints a table in Markdown; with --out also writes it as JSON. The step is
forward and backward pass; the last column is the share of all DCNv3 layers.
"""

import argparse

import torch

from m3i_mm.benchmarks.backbone import COLUMNS, benchmark_backbone
from m3i_mm.benchmarks.measure import (
    add_benchmark_arguments,
    environment,
    markdown_table,
    require_backends,
    write_json,
)
from m3i_mm.ops.deform_conv_v3 import available_backends
from m3i_mm.ops.deform_conv_v3.backends import BACKENDS
from m3i_mm.runs.arguments import make_parser, output_file
from m3i_mm.runs.explain import errors_in_one_line


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s --archs tiny --image-sizes 32x32 --backends torch',
    )
    add_benchmark_arguments(parser)
    parser.add_argument(
        '--backends',
        nargs='+',
        choices=list(BACKENDS),
        metavar='NAME',
        help='backends of DCNv3 (default: all that run on the device)',
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
    device, dtype = args.device, getattr(torch, args.dtype)
    require_backends(args.backends or (), device)
    rows = [
        benchmark_backbone(
            arch,
            size,
            backend,
            device,
            dtype,
            args.batch_size,
            args.min_seconds,
        )
        for arch in args.archs
        for size in args.image_sizes
        for backend in args.backends or available_backends(device)
    ]
    print(environment(device), f'batch {args.batch_size}, {args.dtype}')
    print(markdown_table(rows, COLUMNS))
    if args.out:
        write_json(args.out, device, rows)


if __name__ == '__main__':
    main()
