"""Train all instances for the same short budget, and compare them."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from mmengine.utils import track_iter_progress

from m3i_mm.evaluation import format_table, write_report

ROOT = Path(__file__).parents[2]
CONFIGS = Path(__file__).parent / 'configs'
SUFFIX = '_vit-small-p16_1xb64-10e_emoji.py'
# the paper's ablation axes: M3I with a target switched off (without mixing is
# a config); an image target that is left alone takes over the other's images
ABLATIONS = {
    'm3i without intra': [
        'model.objectives.intra=None',
        'model.objectives.inter.members=(0,1)',
        'model.objectives.inter.weight=1.0',
    ],
    'm3i without inter': [
        'model.objectives.inter=None',
        'model.objectives.intra.members=(0,1)',
        'model.objectives.intra.weight=1.0',
    ],
    'm3i without category': ['model.objectives.category=None'],
    'm3i without text': ['model.objectives.text=None'],
}
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


def list_runs() -> dict[str, tuple[Path, list[str]]]:
    """Return config and overrides by the name of the run."""
    paths = sorted(CONFIGS.glob(f'*{SUFFIX}'))
    runs = {p.name.removesuffix(SUFFIX): (p, list[str]()) for p in paths}
    m3i = CONFIGS / f'm3i{SUFFIX}'
    runs.update({name: (m3i, options) for name, options in ABLATIONS.items()})
    return runs


def train(
    config: Path, options: list[str], work_dir: Path, epochs: int
) -> dict[str, float]:
    """Train and evaluate one run; a finished one is not repeated."""
    options = [
        *options,
        f'train_cfg.max_epochs={epochs}',
        f'train_cfg.val_interval={epochs}',
    ]
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(config)]
    command += ['--work-dir', str(work_dir), '--resume']
    command += ['--cfg-options', *options]
    work_dir.mkdir(parents=True, exist_ok=True)
    if not read_metrics(work_dir):
        with open(work_dir / 'output.txt', 'w') as output:
            subprocess.run(command, check=True, stdout=output, stderr=output)
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
        folder = args.work_dir / name.replace(' ', '-')
        results[name] = train(*runs[name], folder, args.epochs)
    print('\n' + format_table(results))
    path = args.work_dir / 'results.json'
    print(write_report(results, path, epochs=args.epochs))


if __name__ == '__main__':
    main()
