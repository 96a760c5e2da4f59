"""Measure what noise in the targets of the momentum encoder changes.

M3I's image targets on ``data/emoji`` by a ResNet-18 with drop path, once with
the momentum encoder as it is and once with one that drops paths too, see
docs/experiments.md. Finished runs are kept.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config

from m3i_mm.benchmarks.measure import markdown_table
from m3i_mm.evaluation import evaluate
from m3i_mm.models.pretrainers import MomentumEncoder
from m3i_mm.registry import MODELS
from m3i_mm.runs import building
from m3i_mm.runs.config import complete_dataloaders
from m3i_mm.runs.manifest import describe_run
from m3i_mm.runs.reading import read_config

__all__ = ['NoisyMomentumEncoder', 'main', 'run', 'write_table']

HERE = Path(__file__).parent
CONFIG = HERE / 'configs/m3i-images_resnet18-drop-path_1xb64-coslr-2e_emoji.py'
RESULTS = HERE / 'results/target_noise'


@MODELS.register_module()
class NoisyMomentumEncoder(MomentumEncoder):
    """A momentum encoder that drops paths in training, as the online one."""

    def train(self, mode: bool = True) -> NoisyMomentumEncoder:
        """Switch all modules."""
        super().train(mode)
        for module in self.modules():
            if type(module).__name__ == 'DropPath':
                module.train(mode)
        return self


ROWS = {'without': 'MomentumEncoder', 'with': 'NoisyMomentumEncoder'}


def run(row: str, seed: int, results: Path, work_dir: Path) -> Path:
    """Train and evaluate, unless the result is there.

    Args:
        row (str): ``'without'`` or ``'with'`` noise in the targets.
        seed (int): Of weights, data and noise.
        results (Path): Folder of the results.
        work_dir (Path): Folder of logs and checkpoints.

    Returns:
        Path: The result, a JSON file.
    """
    path = results / row / f'seed-{seed}.json'
    if path.exists():
        return path
    torch.set_num_threads(1)
    begin = time.process_time()
    folder = work_dir / row / f'seed-{seed}'
    loss = _train(row, seed, folder)
    trained = time.process_time() - begin
    checkpoint = (folder / 'last_checkpoint').read_text()
    metrics = evaluate(read_config(str(CONFIG)), checkpoint, seed=seed).metrics
    content = dict(
        row=row,
        seed=seed,
        train_cpu_seconds=round(trained, 1),
        all_cpu_seconds=round(time.process_time() - begin, 1),
        last_loss=loss,
        metrics=metrics,
        about=describe_run(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix('.tmp')
    draft.write_text(json.dumps(content, indent=1) + '\n')
    draft.replace(path)
    return path


def _train(row: str, seed: int, folder: Path) -> float:
    """Train a row; return the mean loss of its last 50 steps."""
    cfg = read_config(str(CONFIG))
    cfg.merge_from_dict(
        {
            'work_dir': str(folder),
            'randomness.seed': seed,
            'model.momentum_encoder.type': ROWS[row],
        }
    )
    for part in ('cfg', 'dataloader', 'evaluator'):
        cfg[f'val_{part}'] = None
    # MMEngine would lay out the text five times
    cfg = Config(
        cfg.to_dict(), filename=cfg.filename, format_python_code=False
    )
    complete_dataloaders(cfg)
    runner = building.build_runner(cfg)
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss')
    return float(losses.mean(50))


def write_table(results: Path) -> str:
    """Lay out all metrics as Markdown.

    Args:
        results (Path): Folder of the results.

    Returns:
        str: Mean and standard error over seeds of each row, and of the
        differences of the same seed.
    """
    found: dict[str, dict[int, dict[str, float]]] = {row: {} for row in ROWS}
    for row, by_seed in found.items():
        for path in sorted((results / row).glob('seed-*.json')):
            result = json.loads(path.read_text())
            by_seed[result['seed']] = result['metrics']
    plain, noisy = found['without'], found['with']
    both = sorted(plain.keys() & noisy.keys())
    lines = [
        {
            'metric': name,
            'without noise': _spread([plain[s][name] for s in both]),
            'with noise': _spread([noisy[s][name] for s in both]),
            'without - with': _spread(
                [plain[s][name] - noisy[s][name] for s in both], '+'
            ),
        }
        for name in (plain[both[0]] if both else ())
    ]
    columns = ['metric', 'without noise', 'with noise', 'without - with']
    return markdown_table(lines, columns)


def _spread(values: Sequence[float], sign: str = '') -> str:
    """Write the mean and its standard error."""
    mean = f'{statistics.fmean(values):{sign}.1f}'
    if len(values) == 1:
        return mean
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f'{mean} ± {error:.1f}'


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what has no result yet, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/target_noise')
    )
    parser.add_argument(
        '--table', action='store_true', help='run nothing, only print'
    )
    args = parser.parse_args(arguments)
    if not args.table:
        os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
        for seed in args.seeds:
            for row in ROWS:
                run(row, seed, RESULTS, args.work_dir)
    print(write_table(RESULTS))


if __name__ == '__main__':
    main()
