"""Draw what a model will get: both views with their crop boxes on the
original, the target patches in the input view, the mix and its mask, labels
and texts.
"""  # noqa: D205

from __future__ import annotations

import argparse

from mmengine.config import Config, DictAction

from m3i_mm.runs.data_root import move_data_root
from m3i_mm.visualization import browse_batch


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='training config')
    parser.add_argument(
        '--out',
        default='batch.png',
        help='PNG file to write (default: %(default)s)',
    )
    parser.add_argument(
        '--samples',
        type=int,
        default=8,
        help='most samples to draw (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='seed of order and augmentation (default: %(default)s)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        help='settings that replace those of the config, key=value',
    )
    return parser.parse_args()


def main() -> None:
    """Draw the batch."""
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if 'data_root' in args.cfg_options:
        move_data_root(cfg, args.cfg_options['data_root'])
    cfg.merge_from_dict(args.cfg_options)
    browse_batch(cfg, args.out, args.samples, args.seed)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
