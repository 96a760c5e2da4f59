"""Classify, detect, segment or retrieve, and draw the result on the image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from m3i_mm.apis.batch import predict_files
from m3i_mm.apis.prediction import Predictor
from m3i_mm.apis.predictors import build_predictor
from m3i_mm.apis.retrieval import ImageRetriever, TextRetriever
from m3i_mm.datasets.faults import DataError
from m3i_mm.runs.arguments import (
    add_model_options,
    make_parser,
    number,
    output_folder,
    whole_number,
)
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.run_folder import model_of


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(
        'Predict images and draw what was found. The config says '
        'the task: a classifier, a detector, a segmentor, or with --gallery '
        'or --texts a pre-trained M3I model that searches.',
        'm3i predict photos --run runs/mine --out predictions\n'
        '  m3i predict photos --config mine.py --checkpoint epoch_12.pth '
        '--out predictions',
    )
    parser.add_argument(
        'images',
        nargs='+',
        type=Path,
        metavar='IMAGE',
        help='image file, or folder that is searched for images',
    )
    add_model_options(parser)
    parser.add_argument(
        '--out',
        type=output_folder,
        metavar='FOLDER',
        required=True,
        help='folder for the pictures and predictions.json',
    )
    parser.add_argument(
        '--score-threshold',
        type=number(0, 1),
        metavar='SCORE',
        default=0.3,
        help='lowest score of a detection (default: %(default)s)',
    )
    search = parser.add_mutually_exclusive_group()
    search.add_argument(
        '--gallery',
        type=Path,
        metavar='FOLDER',
        help='find the most similar images of this folder',
    )
    search.add_argument(
        '--texts',
        type=Path,
        metavar='FILE',
        help='find the best texts of this file, one a line',
    )
    parser.add_argument(
        '--top',
        type=whole_number(),
        metavar='N',
        default=5,
        help='how many to find (default: %(default)s)',
    )
    args = parser.parse_args()
    if args.image_size and not (args.gallery or args.texts):
        parser.error('--image-size goes with --gallery or --texts')
    return args


def build(args: argparse.Namespace) -> Predictor:
    """Build the predictor that the command line asks for."""
    config, checkpoint = model_of(args)
    search: dict[str, Any] = dict(
        pretrained=checkpoint,
        device=args.device,
        k=args.top,
        image_size=args.image_size,
    )
    if args.gallery:
        return ImageRetriever(config, args.gallery, **search)
    if args.texts:
        return TextRetriever(config, read_texts(args.texts), **search)
    return build_predictor(
        config, checkpoint, args.device, args.score_threshold
    )


def read_texts(path: Path) -> list[str]:
    """Read the lines of a file that are not empty."""
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f'{path} is not in UTF-8: {error}') from error
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise DataError(f'--texts {path}: there is no text')
    return texts


@errors_in_one_line()
def main() -> None:
    """Run the command line."""
    args = parse_args()
    broken = predict_files(build(args), args.images, Path(args.out))
    for reason in broken.values():
        print(f'left out: {reason}', file=sys.stderr)
    print(f'pictures and predictions.json are in {args.out}')
    if broken:
        sys.exit(f'error: {len(broken)} images could not be read')


if __name__ == '__main__':
    main()
