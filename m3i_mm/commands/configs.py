"""List the configs of the package, or print one as it is after inheritance.

With --released the files of InternImage's authors are listed, by the names
that stand for them, with what they were published with.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from m3i_mm.checkpoints import released_files
from m3i_mm.runs.arguments import add_config_options, make_parser
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import read_config, shipped_configs
from m3i_mm.utils.mistakes import MistakeExit

__all__ = ['main']


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``m3i configs``.

    Args:
        arguments (Sequence[str] | None): The command line.

    Raises:
        SystemExit: With one line, if there is no such config.
    """
    parser = make_parser(
        __doc__ or '',
        "m3i configs '*internimage-t*'\n  m3i configs --print "
        'm3i_vit-base-p16_32xb128-amp-coslr-400e_in1k\n'
        '  m3i configs --released mask_rcnn',
    )
    parser.add_argument(
        'pattern',
        nargs='?',
        default='*',
        help='shell-style pattern of names (default: all)',
    )
    parser.add_argument(
        '--print', metavar='CONFIG', help='print this config, by name or path'
    )
    parser.add_argument(
        '--released',
        action='store_true',
        help="list the files of InternImage's authors instead",
    )
    add_config_options(parser)
    args = parser.parse_args(arguments)
    if args.print:
        with errors_in_one_line():
            print(read_config(args.print, args.cfg_options).pretty_text)
        return
    known = _released_lines() if args.released else shipped_configs()
    names = [n for n in known if fnmatch(n, f'*{args.pattern}*')]
    if not names:
        kind = 'file of the authors' if args.released else 'config'
        raise MistakeExit(f'no {kind} is like {args.pattern!r}')
    print('\n'.join(names))


def _released_lines() -> list[str]:
    """Say of each file which config it is of and what was published."""
    return [
        f'{file.name}.pth\n    {file.url}\n    {", ".join(file.configs)}'
        + ''.join(f'\n    {number}' for number in file.numbers)
        for file in released_files().values()
    ]
