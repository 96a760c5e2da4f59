"""Generate COCO-, LVIS- and ADE20K-format data from emoji and photographs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scenes import SceneSettings, generate_scenes


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    defaults = SceneSettings()
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        '--emoji',
        type=Path,
        default=Path('data/emoji'),
        help='the emoji data set',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('data/emoji_scenes'),
        help='folder to write to',
    )
    parser.add_argument(
        '--train', type=int, default=defaults.train, help='training scenes'
    )
    parser.add_argument(
        '--val', type=int, default=defaults.val, help='test scenes'
    )
    parser.add_argument(
        '--size', type=int, default=defaults.size, help='edge in pixels'
    )
    parser.add_argument(
        '--unseen-families',
        action='store_true',
        help='test only on concepts whose families are in no training scene',
    )
    parser.add_argument(
        '--seed', type=int, default=defaults.seed, help='random seed'
    )
    return parser.parse_args()


def main() -> None:
    """Run the command line."""
    args = vars(parse_args())
    emoji, output = args.pop('emoji'), args.pop('out')
    try:
        generate_scenes(emoji, output, SceneSettings(**args))
    except FileNotFoundError as error:
        sys.exit(f'error: {error}')
    print(f'scenes are in {output}')


if __name__ == '__main__':
    main()
