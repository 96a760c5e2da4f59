"""Export a model or its backbone to ONNX or torch.export."""

import argparse
import os

from m3i_mm.apis.export import build_part, export_model, verify_onnx
from m3i_mm.runs.arguments import (
    add_config_options,
    make_parser,
    output_file,
    whole_number,
)
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import read_config
from m3i_mm.runs.run_folder import find_run

TOLERANCE = 1e-4
TOLERANCE_HALF = 2e-2
# what onnxscript knows
MOST_OPSET = 25


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(
        __doc__ or '',
        'm3i export runs/mine --out mine.onnx\n'
        '  m3i export mine.py runs/mine/epoch_12.pth --out mine.onnx\n'
        '  m3i export mine.py epoch_12.pth --part backbone --out backbone.pt2',
    )
    parser.add_argument(
        'config',
        help='config of a classifier, segmentor, Faster or Mask R-CNN, or '
        'of any model whose backbone is to be exported; or the work folder '
        'of a run, which stands for its config and last checkpoint',
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='a file that fills what is exported; random weights without it',
    )
    parser.add_argument(
        '--out',
        type=output_file('.onnx', '.pt2'),
        required=True,
        help='file to write: .onnx, or .pt2 for torch.export',
    )
    parser.add_argument(
        '--part',
        choices=['model', 'backbone'],
        default='model',
        help='what to export (default: %(default)s)',
    )
    parser.add_argument(
        '--image-size',
        type=whole_number(),
        nargs=2,
        default=[224, 224],
        metavar=('HEIGHT', 'WIDTH'),
        help='size of the example that is traced; other '
        'sizes work too (default: 224 224)',
    )
    parser.add_argument(
        '--opset',
        type=whole_number(1, MOST_OPSET),
        metavar='N',
        default=18,
        help='ONNX operator set (default: %(default)s)',
    )
    parser.add_argument(
        '--no-grid-sample',
        dest='grid_sample',
        action='store_false',
        help='gather pixels instead, for runtimes (TensorRT) that compute '
        'GridSample wrongly or not at all; larger and slower',
    )
    parser.add_argument(
        '--half',
        action='store_true',
        help='weights, images and results in float16',
    )
    add_config_options(parser)
    return parser.parse_args()


@errors_in_one_line()
def main() -> None:
    """Export; compare an ONNX file with PyTorch at two image sizes."""
    args = parse_args()
    if os.path.isdir(args.config):
        args.config, last = find_run(args.config)
        args.checkpoint = args.checkpoint or last
    config = read_config(args.config, args.cfg_options)
    model = build_part(config, args.part, args.checkpoint)
    if args.half:
        model.half()
    height, width = args.image_size
    export_model(
        model, args.out, (height, width), args.opset, args.grid_sample
    )
    print(f'Written to {args.out}')
    if args.out.endswith('.onnx'):
        sizes = [(height, width), (height + 32, width + 64)]
        error = verify_onnx(model, args.out, sizes)
        print(f'onnxruntime differs from PyTorch by {error:.1e} at {sizes}')
        tolerance = TOLERANCE_HALF if args.half else TOLERANCE
        if error > tolerance:
            raise SystemExit(f'That is more than {tolerance}')


if __name__ == '__main__':
    main()
