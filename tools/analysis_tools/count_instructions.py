"""Count the instructions of DCNv3's kernels on an NVIDIA GPU, without one.

Compiles for the group widths and dtypes given, and prints a table in
Markdown. Needs Triton and nvdisasm (pip install nvidia-cuda-nvdisasm).
"""

import argparse

import torch

from m3i_mm.benchmarks.instructions import COLUMNS, count_dcnv3
from m3i_mm.benchmarks.measure import markdown_table
from m3i_mm.ops import Layout
from m3i_mm.runs.arguments import make_parser, whole_number
from m3i_mm.runs.explain import errors_in_one_line


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s --group-channels 16 --dtypes float32',
    )
    parser.add_argument(
        '--group-channels',
        type=whole_number(),
        nargs='+',
        default=[16, 32],
        help='widths of a group (default: 16 32, of T to XL and of H, G)',
    )
    parser.add_argument(
        '--dtypes',
        nargs='+',
        choices=['float32', 'bfloat16', 'float16'],
        default=['float32', 'bfloat16', 'float16'],
        help='of all tensors (default: all)',
    )
    parser.add_argument(
        '--map-sizes',
        type=whole_number(),
        nargs='+',
        default=[56],
        help='height and width of a map (default: 56); small ones are '
        'gathered whole',
    )
    parser.add_argument(
        '--backend',
        choices=['triton', 'triton_atomic'],
        default='triton',
        help='the way back to the input (default: %(default)s)',
    )
    parser.add_argument(
        '--softmax',
        action='store_true',
        help='the softmax of the mask in the kernels, as in InternImage',
    )
    parser.add_argument(
        '--gate',
        action='store_true',
        help='the gate of the central pixel too, as in H and G',
    )
    parser.add_argument(
        '--architecture',
        type=whole_number(),
        default=90,
        help='compute capability without its dot (default: %(default)s)',
    )
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Compile, count, print."""
    args = parse_args()
    groups = 4
    rows = [
        row
        for size in args.map_sizes
        for dtype in args.dtypes
        for width in args.group_channels
        for row in count_dcnv3(
            groups * width,
            groups,
            getattr(torch, dtype),
            args.architecture,
            size,
            args.backend,
            Layout(args.softmax, args.gate),
        )
    ]
    print(markdown_table(rows, COLUMNS))


if __name__ == '__main__':
    main()
