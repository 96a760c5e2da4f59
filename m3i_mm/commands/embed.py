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
from m3i_mm.runs.arguments import (
    add_model_options,
    make_parser,
    output_file,
    whole_number,
)
from m3i_mm.runs.explain import errors_in_one_line, tell_left_out
from m3i_mm.runs.run_folder import model_of

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
        'm3i embed photos --run runs/photos --out features.npz',
    )
    parser.add_argument('images', nargs='+', help='picture, or folder of them')
    add_model_options(parser)
    parser.add_argument(
        '--out',
        type=output_file('.npz'),
        required=True,
        help='.npz file to write',
    )
    parser.add_argument(
        '--batch-size',
        type=whole_number(),
        metavar='N',
        default=32,
        help='pictures at a time (default: %(default)s)',
    )
    args = parser.parse_args(arguments)
    with errors_in_one_line():
        count = _embed(args)
    print(f'{count} features in {args.out}')


def _embed(args: Namespace) -> int:
    config, checkpoint = model_of(args)
    extractor = FeatureExtractor(
        config, checkpoint, args.device, args.image_size
    )
    files = [file for path in args.images for file in list_images(path)]
    table = extractor.table(files, args.batch_size, tell_left_out)
    arrays: dict[str, Any] = {
        name: np.asarray(column) for name, column in table.columns.items()
    }
    np.savez(args.out, **arrays)
    return len(table)
