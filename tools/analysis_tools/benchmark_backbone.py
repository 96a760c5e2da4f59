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
    write_json,
)
from m3i_mm.ops.deform_conv_v3 import available_backends
from m3i_mm.runs.explain import errors_in_one_line


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_benchmark_arguments(parser)
    parser.add_argument(
        '--backends',
        nargs='+',
        help='backends of DCNv3 (default: all that run on the device)',
    )
    parser.add_argument('--out', help='JSON file to write')
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Measure, print, write."""
    args = parse_args()
    device, dtype = args.device, getattr(torch, args.dtype)
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
