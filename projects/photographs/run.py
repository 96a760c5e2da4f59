"""One run of the comparison: train a row, evaluate it, write the result."""

from __future__ import annotations

import fcntl
import functools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from rows import PIXELS, RANDOM, config_of
from torch.utils.data import DataLoader

from m3i_mm.evaluation import NamedDataLoaders, evaluate, raw_pixels
from m3i_mm.runs import building
from m3i_mm.runs.config import complete_dataloaders
from m3i_mm.runs.explain import explained_errors
from m3i_mm.runs.manifest import describe_run
from m3i_mm.runs.reading import read_config

__all__ = ['RunError', 'read_result', 'result_file', 'run']

# pictures in an epoch of the configs
EPOCH = 2048
CHECKPOINT = 'last_checkpoint'


class RunError(RuntimeError):
    """A run that cannot be started, or whose result cannot be used."""


def result_file(results: Path, row: str, seed: int) -> Path:
    """Return where the result of a run is."""
    return results / row / f'seed-{seed}.json'


def read_result(path: Path) -> dict[str, Any] | None:
    """Read the result of a finished run.

    Args:
        path (Path): See :func:`result_file`.

    Returns:
        dict: What :func:`run` wrote; None if it did not.

    Raises:
        RunError: If the file is broken.
    """
    if not path.exists():
        return None
    try:
        result = json.loads(path.read_text())
        # what tables are made of
        result['row'], result['seed'], result['images']
        {name: float(value) for name, value in result['metrics'].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(
            f'{path} is no result of a run ({type(error).__name__}: {error}): '
            'remove it, and the run is repeated'
        ) from error
    return result


def run(
    row: str,
    seed: int,
    images: int,
    data_root: Path,
    results: Path,
    work_dir: Path,
    config: Path | None = None,
) -> Path:
    """Train and evaluate a row, unless its result is there.

    Args:
        row (str): One of :data:`rows.ROWS`, or any name with a ``config``.
        seed (int): Of weights, data and masks.
        images (int): Pictures seen in training, a multiple of 2048 for each
            stage.
        data_root (Path): Folder of the sets.
        results (Path): Folder of the results.
        work_dir (Path): Folder of logs and checkpoints.
        config (Path, optional): Of a row that is none of the comparison.

    Returns:
        Path: The result, a JSON file.

    Raises:
        RunError: If another run is in the same folder, or left a result of
            another budget.
    """
    path = result_file(results, row, seed)
    config = config or config_of(row)
    folder = work_dir / row / f'seed-{seed}'
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        found = read_result(path)
        if found is not None:
            if found['images'] not in (0, images):
                raise RunError(
                    f'{path} saw {found["images"]} pictures, not {images}: '
                    'choose another --results'
                )
            return path
        torch.set_num_threads(1)
        begin, wall = time.process_time(), time.time()
        checkpoint = None
        if row not in (PIXELS, RANDOM):
            checkpoint = _train(config, folder, seed, images, data_root)
        trained = time.process_time() - begin
        metrics = _evaluate(row, config, checkpoint, seed, data_root)
        content = dict(
            row=row,
            seed=seed,
            images=0 if checkpoint is None else images,
            train_cpu_seconds=round(trained, 1),
            all_cpu_seconds=round(time.process_time() - begin, 1),
            all_wall_seconds=round(time.time() - wall, 1),
            metrics=metrics,
            about=describe_run(),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        # whole or not at all
        draft = path.with_suffix('.tmp')
        draft.write_text(json.dumps(content, indent=1) + '\n')
        draft.replace(path)
    return path


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    with open(folder / '.lock', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f'another run is in {folder}: wait for it, or choose another '
                '--work-dir and --results'
            ) from None
        yield


def _train(
    config: Path, folder: Path, seed: int, images: int, data_root: Path
) -> str:
    """Train all stages of a config; return the last checkpoint."""
    cfg = read_config(str(config), dict(data_root=str(data_root)))
    start = None
    if 'first_stage' in cfg:
        # the stages share the budget
        images = images // 2
        start = _train(
            config.parent / cfg.first_stage,
            folder / 'first',
            seed,
            images,
            data_root,
        )
    epochs = images // EPOCH
    if epochs * EPOCH != images or not epochs:
        raise RunError(
            f'{config.name} cannot see {images} pictures: a stage sees a '
            f'multiple of {EPOCH}'
        )
    cfg.merge_from_dict(
        {
            'work_dir': str(folder),
            'randomness.seed': seed,
            'load_from': start,
            'train_cfg.max_epochs': epochs,
            'default_hooks.checkpoint.interval': epochs,
        }
    )
    for mode in ('val', 'test'):
        for part in ('cfg', 'dataloader', 'evaluator'):
            cfg[f'{mode}_{part}'] = None
    # MMEngine would lay out the text five times, longer than a short run
    cfg = Config(
        cfg.to_dict(), filename=cfg.filename, format_python_code=False
    )
    complete_dataloaders(cfg)
    with explained_errors(cfg):
        building.build_runner(cfg).train()
    return (folder / CHECKPOINT).read_text()


def _evaluate(
    row: str,
    config: Path,
    checkpoint: str | None,
    seed: int,
    data_root: Path,
) -> dict[str, float]:
    cfg = read_config(str(config), dict(data_root=str(data_root)))
    loaders = _kept_sets(data_root)
    if row != PIXELS:
        settings = cfg.test_dataloader
        sets = {n: loaders[n] for n in settings if n in loaders}
        return evaluate(cfg, checkpoint, seed=seed, loaders=sets).metrics
    metrics: dict[str, float] = {}
    # a vector of pixels has no places
    for names, part, model in (
        ((*cfg.category_sets, *cfg.transfer_sets), 'image', raw_pixels(32)),
        ((*cfg.place_sets,), 'place', _pixel_patches()),
    ):
        sets = {name: loaders[name] for name in names}
        cfg.test_evaluator = cfg[f'{part}_metrics']
        metrics.update(evaluate(cfg, model=model, loaders=sets).metrics)
    return metrics


@functools.cache
def _kept_sets(data_root: Path) -> dict[str, KeptBatches]:
    """Read all sets once for all runs of a process."""
    cfg = read_config(str(config_of('m3i')), dict(data_root=str(data_root)))
    with building.scope_of(cfg):
        loaders = NamedDataLoaders(cfg.test_dataloader, 0)
    return {name: KeptBatches(loader) for name, loader in loaders.items()}


class KeptBatches:
    """The batches of a loader, read once.

    Args:
        loader (DataLoader): One without shuffling and random transforms.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.dataset = loader.dataset
        self.batches = list(loader)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches:
            # models write into the samples
            samples = [sample.new() for sample in batch['data_samples']]
            yield dict(batch, data_samples=samples)


def _pixel_patches() -> dict[str, Any]:
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='m3i_mm.PixelPatches', patch_size=8),
    )
