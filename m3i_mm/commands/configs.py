"""List the configs of the package, or print one as it is after inheritance."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from m3i_mm.runs.arguments import add_config_options, make_parser
from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.reading import read_config, shipped_configs

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
        'm3i_vit-base-p16_32xb128-amp-coslr-400e_in1k',
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
    add_config_options(parser)
    args = parser.parse_args(arguments)
    try:
        if args.print:
            print(read_config(args.print, args.cfg_options).pretty_text)
            return
    except ConfigError as error:
        raise SystemExit(f'error: {error}') from error
    names = [n for n in shipped_configs() if fnmatch(n, f'*{args.pattern}*')]
    if not names:
        raise SystemExit(f'error: no config is like {args.pattern!r}')
    print('\n'.join(names))
