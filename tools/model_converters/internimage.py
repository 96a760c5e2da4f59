"""Convert InternImage checkpoints between the styles of several libraries.

Any file of the authors (classification, detection, segmentation, Hugging Face,
DeepSpeed, raw M3I), of MMPretrain or of this package is read. No conversion
is needed to load one of them here; this tool serves other programs, smaller
files, and classifiers of fewer classes.
"""

import argparse

from m3i_mm.models.internimage.conversion import (
    STYLES,
    convert_internimage,
)
from m3i_mm.runs.arguments import make_parser, output_file
from m3i_mm.runs.explain import errors_in_one_line


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s internimage_t_1k_224.pth internimage_t.safetensors '
        '--style backbone',
    )
    parser.add_argument('source', help='checkpoint to read')
    parser.add_argument(
        'target',
        type=output_file(''),
        help='file to write; .safetensors or any other name',
    )
    parser.add_argument(
        '--style',
        choices=sorted(STYLES),
        default='mmpretrain',
        help='names of the parameters: of the authors, of '
        "MMPretrain's ImageClassifier, of M3I, or of the backbone alone "
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--class-map',
        help='classes to keep: imagenet-1k, of a classifier of ImageNet-22k, '
        'or a text file with their indices, one a line',
    )
    parser.add_argument(
        '--trust',
        action='store_true',
        help='read a file that holds more than weights; this can run code '
        'from the file',
    )
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Convert and say what was written."""
    args = parse_args()
    count = convert_internimage(
        args.source, args.target, args.style, args.class_map, args.trust
    )
    print(f'{count} tensors written to {args.target}')


if __name__ == '__main__':
    main()
