"""Does a real model of ImageNet as teacher help a small student?

Rows x seeds on photographs of 32 px, see docs/experiments.md. The data and
encoder are those of projects/photographs; finished runs are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m3i_mm.evaluation import evaluate
from m3i_mm.runs.manifest import describe_run
from m3i_mm.runs.reading import read_config

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / 'photographs'))

from rows import config_of  # noqa: E402
from run import RunError, Trial, run  # noqa: E402
from tables import load_scores, write_tables  # noqa: E402

__all__ = ['ROWS', 'WEIGHTS', 'evaluate_teacher', 'main']

DATA = Path('data/photographs')
WEIGHTS = DATA / 'efficientnet_lite0.safetensors'
RESULTS = HERE / 'results'
CONFIGS = HERE / 'configs'
SUFFIX = '_resnet18_1xb64-coslr-10e_cifar10.py'
PICTURES = 16384
# config, and pictures seen
ROWS = {
    'supervised': (config_of('supervised'), PICTURES),
    'supervised-taught': (CONFIGS / f'supervised-taught{SUFFIX}', PICTURES),
    # about the processor time of the row with teacher
    'supervised-longer': (config_of('supervised'), 3 * PICTURES),
    'taught': (CONFIGS / f'taught{SUFFIX}', PICTURES),
}


def evaluate_teacher(side: int = 96) -> dict[str, float]:
    """Measure what the teacher itself knows of CIFAR-10.

    Args:
        side (int): To which the pictures are scaled.

    Returns:
        dict[str, float]: The metrics of categories and of few labels.
    """
    cfg = read_config(str(config_of('supervised')))
    for name in (*cfg.transfer_sets, *cfg.place_sets):
        del cfg.test_dataloader[name]
    for name in cfg.category_sets:
        for step in cfg.test_dataloader[name].dataset.pipeline:
            if step.type == 'm3i_mm.CenterView':
                step.size = side
    cfg.test_evaluator = [
        metric for metric in cfg.image_metrics if metric.get('bank') != 'emoji'
    ]
    teacher: dict[str, Any] = dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(
            type='m3i_mm.FoundationBackbone',
            name='timm:tf_efficientnet_lite0',
            weights=str(WEIGHTS),
        ),
    )
    return evaluate(cfg, model=teacher).metrics


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what has no result yet, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=[*ROWS])
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/real_teacher')
    )
    parser.add_argument(
        '--table', action='store_true', help='run nothing, only print'
    )
    args = parser.parse_args(arguments)
    os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    try:
        if not args.table:
            _run(args.rows, args.seeds, args.work_dir)
        scores = load_scores(RESULTS, list(ROWS))
        for reference in ('supervised', 'supervised-longer'):
            print(write_tables(scores, reference), end='\n\n')
    except RunError as error:
        raise SystemExit(f'error: {error}') from error


def _run(rows: Sequence[str], seeds: Sequence[int], work_dir: Path) -> None:
    if not WEIGHTS.exists():
        raise RunError(
            f'{WEIGHTS} is missing: README.md says how it is converted'
        )
    # all rows of one seed first: each is a whole comparison
    for seed in seeds:
        for row in rows:
            config, pictures = ROWS[row]
            trial = Trial(row, seed, pictures, config=config)
            run(trial, DATA, RESULTS, work_dir)
    path = RESULTS / 'teacher.json'
    if not path.exists():
        begin = time.process_time()
        content = dict(
            metrics=evaluate_teacher(),
            cpu_seconds=round(time.process_time() - begin, 1),
            about=describe_run(),
        )
        path.write_text(json.dumps(content, indent=1) + '\n')


if __name__ == '__main__':
    main()
