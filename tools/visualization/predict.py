"""Classify, detect, segment or retrieve, and draw the result on the image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from m3i_mm.apis.batch import predict_files
from m3i_mm.apis.prediction import Predictor
from m3i_mm.apis.predictors import build_predictor
from m3i_mm.apis.retrieval import ImageRetriever, TextRetriever
from m3i_mm.runs.arguments import make_parser
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import config_of_released


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(
        'Predict images and draw what was found. The config says '
        'the task: a classifier, a detector, a segmentor, or with --gallery '
        'or --texts a pre-trained M3I model that searches.',
        'm3i predict photos --config mine.py --checkpoint epoch_12.pth '
        '--out predictions',
    )
    parser.add_argument(
        'images',
        nargs='+',
        type=Path,
        metavar='IMAGE',
        help='image file, or folder that is searched for images',
    )
    parser.add_argument(
        '--config',
        help="config of the model; not needed for a file of InternImage's "
        'authors',
    )
    parser.add_argument(
        '--checkpoint',
        required=True,
        help='weights of the model: a file, or the name of one of the '
        "authors' (m3i configs --released)",
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        help='folder for the pictures and predictions.json',
    )
    parser.add_argument(
        '--device', help='e.g. cpu or cuda:1 (default: what there is)'
    )
    parser.add_argument(
        '--score-threshold',
        type=float,
        default=0.3,
        help='lowest score of a detection (default: %(default)s)',
    )
    search = parser.add_mutually_exclusive_group()
    search.add_argument(
        '--gallery',
        type=Path,
        help='find the most similar images of this folder',
    )
    search.add_argument(
        '--texts',
        type=Path,
        help='find the best texts of this file, one a line',
    )
    parser.add_argument(
        '--top',
        type=int,
        default=5,
        help='how many to find (default: %(default)s)',
    )
    parser.add_argument(
        '--image-size',
        type=int,
        help='side of the square that a search cuts from the centre '
        '(default: as the config tests or trains)',
    )
    return parser.parse_args()


def build(args: argparse.Namespace) -> Predictor:
    """Build the predictor that the command line asks for."""
    if args.config is None:
        args.config = config_of_released(args.checkpoint)
    if args.gallery:
        return ImageRetriever(
            args.config,
            args.gallery,
            args.checkpoint,
            args.device,
            k=args.top,
            image_size=args.image_size,
        )
    if args.texts:
        texts = args.texts.read_text(encoding='utf-8').splitlines()
        return TextRetriever(
            args.config,
            texts,
            args.checkpoint,
            args.device,
            k=args.top,
            image_size=args.image_size,
        )
    return build_predictor(
        args.config, args.checkpoint, args.device, args.score_threshold
    )


@errors_in_one_line()
def main() -> None:
    """Run the command line."""
    args = parse_args()
    broken = predict_files(build(args), args.images, args.out)
    for reason in broken.values():
        print(f'left out: {reason}', file=sys.stderr)
    print(f'pictures and predictions.json are in {args.out}')
    if broken:
        sys.exit(f'error: {len(broken)} images could not be read')


if __name__ == '__main__':
    main()
