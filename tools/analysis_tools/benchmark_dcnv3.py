"""Time DCNv3: every backend and its rivals, at the layers of InternImage.

Prints a table in Markdown; with --out also writes results.json and plot.png.
On a GPU the last column is the bandwidth of forward and backward pass,
counting each tensor once, relative to that of a copy.
"""

import argparse
from pathlib import Path

import torch

from m3i_mm.benchmarks.dcnv3 import (
    COLUMNS,
    benchmark_layer,
    contenders,
    layers_of,
    plot,
)
from m3i_mm.benchmarks.measure import (
    add_benchmark_arguments,
    copy_bandwidth,
    environment,
    markdown_table,
    write_json,
)
from m3i_mm.runs.arguments import make_parser, output_folder
from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.explain import errors_in_one_line


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s --archs tiny --image-sizes 32x64 --contenders torch',
    )
    add_benchmark_arguments(parser)
    parser.add_argument(
        '--contenders',
        nargs='+',
        help='names of the backends and rivals to run (default: all)',
    )
    parser.add_argument(
        '--out',
        type=output_folder,
        metavar='FOLDER',
        help='folder for results.json and plot.png',
    )
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Measure, print, write."""
    args = parse_args()
    device, dtype = args.device, getattr(torch, args.dtype)
    bandwidth = copy_bandwidth(device) if device.type == 'cuda' else None
    operators = contenders(device)
    names = args.contenders or list(operators)
    unknown = [name for name in names if name not in operators]
    if unknown:
        raise ConfigError(
            f'--contenders {" ".join(unknown)}: on {device} there are '
            f'{", ".join(operators)}'
        )
    rows = [
        {
            'contender': name,
            **benchmark_layer(
                layer,
                operators[name],
                device,
                dtype,
                bandwidth,
                args.min_seconds,
            ),
        }
        for arch in args.archs
        for size in args.image_sizes
        for layer in layers_of(arch, size, args.batch_size)
        for name in names
    ]
    print(environment(device), f'batch {args.batch_size}, {args.dtype}')
    used = [name for name in COLUMNS if any(name in row for row in rows)]
    print(markdown_table(rows, used))
    if args.out:
        folder = Path(args.out)
        write_json(str(folder / 'results.json'), device, rows)
        plot(rows, str(folder / 'plot.png'))


if __name__ == '__main__':
    main()
