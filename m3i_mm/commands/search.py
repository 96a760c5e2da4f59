"""Find the pictures of a folder that words describe, or that look like one.

Each line of the answer has a similarity, at most 1, and a path, the best
first. Words need a model that was trained with texts.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from m3i_mm.apis.images import list_images
from m3i_mm.apis.search import Found, PictureSearch, draw_found
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
    """Run ``m3i search``.

    Args:
        arguments (Sequence[str] | None): The command line.

    Raises:
        SystemExit: With one line, if model or pictures are wrong.
    """
    parser = make_parser(
        __doc__ or '',
        "m3i search photos --run runs/photos --words 'a dog on grass'",
    )
    parser.add_argument(
        'pictures', nargs='+', help='folder that is searched, or pictures'
    )
    add_model_options(parser)
    parser.add_argument(
        '--words', nargs='+', default=[], metavar='TEXT', help='descriptions'
    )
    parser.add_argument(
        '--like', nargs='+', default=[], metavar='PICTURE', help='pictures'
    )
    parser.add_argument(
        '--top',
        type=whole_number(),
        metavar='N',
        default=5,
        help='how many to find (%(default)s)',
    )
    parser.add_argument(
        '--out',
        type=output_file('.png'),
        metavar='FILE',
        help='PNG file to draw into',
    )
    args = parser.parse_args(arguments)
    if not args.words and not args.like:
        parser.error('give --words or --like')
    with errors_in_one_line():
        found = _search(args)
        if args.out:
            draw_found(found, args.out)
    for asked, pictures in found.items():
        print(f'{asked}:')
        for one in pictures:
            print(f'  {one.similarity:.3f}  {one.path}')


def _search(args: Namespace) -> dict[str, list[Found]]:
    config, checkpoint = model_of(args)
    pictures = [file for path in args.pictures for file in list_images(path)]
    search = PictureSearch(
        config,
        [Path(str(file)) for file in pictures],
        checkpoint,
        args.device,
        args.image_size,
        on_fault=tell_left_out,
    )
    found = {text: search.by_words(text, args.top) for text in args.words}
    found |= {path: search.by_picture(path, args.top) for path in args.like}
    return found
