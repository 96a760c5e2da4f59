"""Train all instances for the same short budget, and compare them."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from mmengine.utils import track_iter_progress

from m3i_mm.benchmarks.measure import markdown_table
from m3i_mm.evaluation import write_report

ROOT = Path(__file__).parents[2]
CONFIGS = Path(__file__).parent / 'configs'
SUFFIX = '_vit-small-p16_1xb64-10e_emoji.py'
METRICS = (
    'linear/group_top1',
    'linear/subgroup_top1',
    'knn/group_top1',
    'identity/concept_R@5',
    'caption_seen/i2t_R@5',
)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/instances'),
        help='runs and the table go here (default: %(default)s)',
    )
    parser.add_argument(
        '--epochs',
        type=int,
        default=10,
        help='epochs of every run (default: %(default)s)',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='NAME',
        help='names of the runs, as in the table (default: all)',
    )
    return parser.parse_args()


def list_runs() -> dict[str, Path]:
    """Return the config by the name of the run."""
    paths = sorted(CONFIGS.glob(f'*{SUFFIX}'))
    return {path.name.removesuffix(SUFFIX): path for path in paths}


def train(config: Path, work_dir: Path, epochs: int) -> dict[str, float]:
    """Train and evaluate one run; a finished one is not repeated."""
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(config)]
    command += ['--work-dir', str(work_dir), '--resume']
    command += ['--cfg-options', f'train_cfg.max_epochs={epochs}']
    command += [f'train_cfg.val_interval={epochs}']
    work_dir.mkdir(parents=True, exist_ok=True)
    log = work_dir / 'output.txt'
    if not read_metrics(work_dir):
        with open(log, 'w') as output:
            ended = subprocess.run(
                command, check=False, stdout=output, stderr=output
            )
        if ended.returncode:
            raise SystemExit(f'error: {work_dir.name} failed, see {log}')
    return read_metrics(work_dir)


def read_metrics(work_dir: Path) -> dict[str, float]:
    """Return the metrics of the last evaluation, empty if there is none."""
    metrics: dict[str, float] = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            found = json.loads(line)
            if METRICS[0] in found:
                metrics = {k: found[k] for k in METRICS if k in found}
    return metrics


def main() -> None:
    """Compare the instances."""
    args = parse_args()
    runs = list_runs()
    names = args.only or list(runs)
    unknown = sorted(set(names) - set(runs))
    if unknown:
        raise SystemExit(f'no such runs: {unknown}; there are {list(runs)}')
    results = {}
    for name in track_iter_progress(names):
        results[name] = train(runs[name], args.work_dir / name, args.epochs)
    rows = [
        {'run': name, **{key: f'{value:.1f}' for key, value in found.items()}}
        for name, found in results.items()
    ]
    print('\n' + markdown_table(rows, ['run', *METRICS]))
    path = args.work_dir / 'results.json'
    print(write_report(results, path, epochs=args.epochs))


if __name__ == '__main__':
    main()
