"""Write the features of pictures to a file of NumPy.

The file holds ``feature`` (N, C), mean-pooled, ``sample_key`` (N), the paths,
and for a model with a text target ``image_embedding`` (N, D).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np

from m3i_mm.apis.feature_extractor import FeatureExtractor
from m3i_mm.apis.images import list_images
from m3i_mm.runs.arguments import make_parser, output_file
from m3i_mm.runs.explain import errors_in_one_line

__all__ = ['main']


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``m3i embed``.

    Args:
        arguments (Sequence[str] | None): The command line.

    Raises:
        SystemExit: With one line, if config, weights or pictures are wrong.
    """
    parser = make_parser(
        __doc__ or '',
        'm3i embed photos --config work_dirs/mine/mine.py '
        '--checkpoint work_dirs/mine/epoch_10.pth --out features.npz',
    )
    parser.add_argument('images', nargs='+', help='picture, or folder of them')
    parser.add_argument('--config', required=True, help='config of the model')
    parser.add_argument('--checkpoint', required=True, help='its weights')
    parser.add_argument(
        '--out',
        type=output_file('.npz'),
        required=True,
        help='.npz file to write',
    )
    parser.add_argument(
        '--image-size',
        type=int,
        help='side of the square cut from the centre (default: as the config '
        'tests or trains)',
    )
    parser.add_argument(
        '--batch-size', type=int, default=32, help='(default: %(default)s)'
    )
    parser.add_argument('--device', help='e.g. cpu (default: what there is)')
    args = parser.parse_args(arguments)
    with errors_in_one_line():
        count = _embed(args)
    print(f'{count} features in {args.out}')


def _embed(args: Namespace) -> int:
    extractor = FeatureExtractor(
        args.config, args.checkpoint, args.device, args.image_size
    )
    files = [file for path in args.images for file in list_images(path)]
    columns = extractor.table(files, args.batch_size).columns
    arrays: dict[str, Any] = {
        name: np.asarray(column) for name, column in columns.items()
    }
    np.savez(args.out, **arrays)
    return len(files)
