"""Convert a detector or segmentor that InternImage's authors released.

No conversion is needed to load one of them here; this tool serves programs
that expect the names of MMDetection 3 and MMSegmentation 1.
"""

from __future__ import annotations

import argparse

import torch

from m3i_mm.benchmarks.complexity import build_without_memory
from m3i_mm.checkpoints import read_checkpoint
from m3i_mm.checkpoints.errors import errors_about
from m3i_mm.checkpoints.released import find_released
from m3i_mm.models.internimage.released_detectors import (
    check_names,
    convert_downstream,
)
from m3i_mm.runs.arguments import make_parser, output_file
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import read_config


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s dino_4scale_internimage_l_1x_coco_layer_wise_lr.pth '
        'dino_l.pth',
    )
    parser.add_argument('source', help='file of the authors, or its name')
    parser.add_argument('target', type=output_file(''), help='file to write')
    parser.add_argument(
        '--config',
        help='config of the model, known if the file has the name of the '
        'release: checks that nothing is missing or left over before the '
        'file is written',
    )
    parser.add_argument(
        '--trust',
        action='store_true',
        help='read a file that holds more than weights; this can run code',
    )
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Convert one file."""
    convert(parse_args())


def convert(args: argparse.Namespace) -> None:
    """Convert, check against the config, and write."""
    content = read_checkpoint(args.source, trust=args.trust)
    released = find_released(args.source)
    config = args.config or (released and released.configs[0])
    with errors_about(args.source):
        state_dict = convert_downstream(content)
        if config:
            cfg = read_config(config)
            check_names(state_dict, build_without_memory(cfg, 'model'))
    torch.save({'state_dict': state_dict}, args.target)
    print(f'{args.target}: {len(state_dict)} tensors')


if __name__ == '__main__':
    main()
