"""Pre-train on data/emoji, evaluate what was learned, draw it."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from mmengine.config import Config

import m3i_mm  # noqa: F401
from m3i_mm.evaluation import (
    evaluate_with_baselines,
    format_table,
    write_report,
)
from m3i_mm.reports import draw_run, write_html_report
from m3i_mm.visualization import draw_curves

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/m3i/m3i_resnet18-contrast_1xb64-coslr-16e_emoji.py'


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--config',
        type=Path,
        default=CONFIG,
        help='training config with the emoji evaluation (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/demo'),
        help='checkpoint, table and pictures go here (default: %(default)s)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='override entries of the config',
    )
    return parser.parse_args()


def pretrain(args: argparse.Namespace) -> float:
    """Train with ``tools/train.py``; return the seconds it took."""
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(args.config)]
    command += ['--work-dir', str(args.work_dir)]
    if args.cfg_options:
        command += ['--cfg-options', *args.cfg_options]
    start = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - start


def main() -> None:
    """Run the demo."""
    args = parse_args()
    seconds = pretrain(args)
    checkpoint = (args.work_dir / 'last_checkpoint').read_text()
    cfg = Config.fromfile(args.work_dir / args.config.name)
    results, trained = evaluate_with_baselines(cfg, checkpoint)
    print('\nA vendor and families that were never trained on, in percent:\n')
    print(format_table(results))
    report = write_report(
        results,
        args.work_dir / 'results.json',
        config=args.config.name,
        checkpoint=checkpoint,
        training_seconds=round(seconds),
        torch=torch.__version__,
    )
    draw_run(cfg, trained, args.work_dir)
    draw_curves(args.work_dir, args.work_dir / 'curves.png')
    page = write_html_report([args.work_dir], args.work_dir / 'report.html')
    pictures = sorted(str(path) for path in args.work_dir.glob('*.png'))
    print(f'\nTrained for {seconds:.0f} s. Written: {report}')
    print('\n'.join([*pictures, str(page)]))


if __name__ == '__main__':
    main()
