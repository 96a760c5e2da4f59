"""Fine-tune detection and segmentation, pre-trained and from scratch."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from downstream import (
    INITIALIZATIONS,
    TASKS,
    draw_predictions,
    fine_tune,
    pretrained_backbone,
    print_table,
)
from scenes import SceneSettings, generate_scenes

SCENES = Path('data/emoji_scenes')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Generate scenes, fine-tune Mask R-CNN and UPerNet on '
        "them from the demo's checkpoint and from random weights under one "
        'budget, and compare. Run it in the root of the repository.'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/demo-downstream'),
        help='where runs, table and pictures go (default: %(default)s)',
    )
    parser.add_argument(
        '--pretrained',
        type=Path,
        default=Path('work_dirs/demo'),
        help="checkpoint, or work folder of `make demo`; the demo's "
        'pre-training runs there first if it is empty (default: %(default)s)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='override entries of all fine-tuning configs',
    )
    return parser.parse_args()


def prepare_scenes() -> None:
    """Generate the scenes, unless they are there with these settings."""
    settings = SceneSettings()
    record = SCENES / 'settings.json'
    if record.is_file() and json.loads(record.read_text()) == asdict(settings):
        print(f'{SCENES} is up to date')
    else:
        generate_scenes(Path('data/emoji'), SCENES, settings)


def main() -> None:
    """Run the command line."""
    args = parse_args()
    try:
        prepare_scenes()
        checkpoint = pretrained_backbone(args.pretrained)
    except FileNotFoundError as error:
        sys.exit(f'error: {error}')
    results: dict[str, dict[str, float]] = {}
    for task in TASKS:
        folders = {
            name: args.work_dir / task.name / name.lower()
            for name in INITIALIZATIONS
        }
        for name, folder in folders.items():
            weights = checkpoint if name == 'M3I' else None
            metrics = fine_tune(task, weights, folder, args.cfg_options)
            results.setdefault(name, {}).update(metrics)
        draw_predictions(folders, args.work_dir / f'{task.name}.png')
    print_table(results)
    path = args.work_dir / 'results.json'
    path.write_text(json.dumps(results, indent=2) + '\n')
    print(f'table and pictures are in {args.work_dir}')


if __name__ == '__main__':
    main()
