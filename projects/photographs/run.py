"""One run of the comparison: train a row, evaluate it, write the result."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from rows import PIXELS, RANDOM, config_of
from torch.utils.data import DataLoader

from m3i_mm.evaluation import NamedDataLoaders, evaluate, raw_pixels
from m3i_mm.runs import building
from m3i_mm.runs.config import complete_dataloaders
from m3i_mm.runs.explain import explained_errors
from m3i_mm.runs.manifest import describe_run
from m3i_mm.runs.reading import read_config

__all__ = [
    'EPOCH',
    'EpochClock',
    'RunError',
    'Trial',
    'alone_in',
    'check_same',
    'read_result',
    'result_file',
    'run',
    'train',
    'write_result',
]

# pictures in an epoch of the configs
EPOCH = 2048
CHECKPOINT = 'last_checkpoint'
# sets of the evaluation by their settings
_KEPT: dict[str, dict[str, KeptBatches]] = {}


class RunError(RuntimeError):
    """A run that cannot be started, or whose result cannot be used."""


class Budget(Protocol):
    """What a result has in common with the run that left it."""

    @property
    def images(self) -> int:
        """Pictures seen in pre-training."""

    @property
    def part(self) -> str:
        """What was evaluated, ``'test'`` or ``'val'``."""


@dataclass(frozen=True)
class Trial:
    """What a run trains and on what it is evaluated.

    Attributes:
        row (str): One of :data:`rows.ROWS`, or a config of the laboratory.
        seed (int): Of weights, data and masks.
        images (int): Pictures seen in training, a multiple of 2048 for each
            stage.
        part (str): ``'test'``, or ``'val'``, on which settings are chosen.
        rate (float, optional): Learning rate. Defaults to the config's.
        precision (str): ``'float32'`` or ``'bfloat16'``, which a CPU that has
            it trains this encoder with in 0.6 of the time.
        config (Path, optional): Of a row that is none of the comparison.
    """

    row: str
    seed: int
    images: int
    part: str = 'test'
    rate: float | None = None
    precision: str = 'float32'
    config: Path | None = None

    @property
    def config_file(self) -> Path:
        """The config that is trained and evaluated."""
        return self.config or config_of(self.row)

    @property
    def name(self) -> str:
        """The row, with the learning rate if it is not the config's."""
        return self.row if self.rate is None else f'{self.row}-{self.rate:g}'


def result_file(results: Path, name: str, seed: int) -> Path:
    """Return where the result of a run is."""
    return results / name / f'seed-{seed}.json'


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


def write_result(path: Path, content: dict[str, Any]) -> None:
    """Write the result of a run as a whole or not at all.

    Args:
        path (Path): See :func:`result_file`.
        content (dict): What :func:`read_result` is to return.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix('.tmp')
    draft.write_text(json.dumps(content, indent=1) + '\n')
    draft.replace(path)


def run(trial: Trial, data_root: Path, results: Path, work_dir: Path) -> Path:
    """Train and evaluate a row, unless its result is there.

    Args:
        trial (Trial): The run.
        data_root (Path): Folder of the sets.
        results (Path): Folder of the results.
        work_dir (Path): Folder of logs and checkpoints.

    Returns:
        Path: The result, a JSON file.

    Raises:
        RunError: If another run is in the same folder, or left a result of
            another budget or part.
    """
    path = result_file(results, trial.name, trial.seed)
    folder = work_dir / trial.name / f'seed-{trial.seed}'
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        found = read_result(path)
        if found is not None:
            check_same(path, found, trial)
            return path
        torch.set_num_threads(1)
        begin, wall = time.process_time(), time.time()
        checkpoint, clock = None, EpochClock()
        if trial.row not in (PIXELS, RANDOM):
            checkpoint = train(
                trial.config_file,
                folder,
                trial,
                trial.images,
                data_root,
                clock,
            )
        trained = time.process_time() - begin
        metrics = _evaluate(trial, checkpoint, data_root)
        content = dict(
            row=trial.name,
            seed=trial.seed,
            images=0 if checkpoint is None else trial.images,
            part=trial.part,
            precision=trial.precision,
            train_cpu_seconds=round(trained, 1),
            epoch_cpu_seconds=[round(t, 2) for t in clock.seconds],
            all_cpu_seconds=round(time.process_time() - begin, 1),
            all_wall_seconds=round(time.time() - wall, 1),
            metrics=metrics,
            about=describe_run(),
        )
        write_result(path, content)
    return path


def check_same(path: Path, found: dict[str, Any], trial: Budget) -> None:
    """Refuse a result of another budget or part than is asked for.

    Args:
        path (Path): The result file, for messages.
        found (dict): Its content.
        trial (Budget): The run that is asked for.

    Raises:
        RunError: If they differ.
    """
    if found['images'] not in (0, trial.images):
        raise RunError(
            f'{path} saw {found["images"]} pictures, not {trial.images}: '
            'choose another --results'
        )
    part = found.get('part', 'test')
    if part != trial.part:
        raise RunError(
            f'{path} was evaluated on the part {part!r}, not {trial.part!r}: '
            'choose another --results'
        )


class EpochClock(Hook):
    """Takes the processor time of each epoch, for an equal budget of it.

    Attributes:
        seconds (list[float]): Of all epochs since it was made.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.begin = 0.0

    def before_train_epoch(self, runner: Any) -> None:
        """Start the clock."""
        self.begin = time.process_time()

    def after_train_epoch(self, runner: Any) -> None:
        """Stop the clock."""
        self.seconds.append(time.process_time() - self.begin)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder.

    Args:
        folder (Path): Of logs and checkpoints.

    Raises:
        RunError: If another run is in it.
    """
    with open(folder / '.lock', 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f'another run is in {folder}: wait for it, or choose another '
                '--work-dir and --results'
            ) from None
        yield


def train(
    config: Path,
    folder: Path,
    trial: Trial,
    images: int,
    data_root: Path,
    clock: EpochClock,
) -> str:
    """Train all stages of a config.

    Args:
        config (Path): The config.
        folder (Path): Of logs and checkpoints.
        trial (Trial): Seed, learning rate and precision are taken of it.
        images (int): Pictures that all stages see together.
        data_root (Path): Folder of the sets.
        clock (EpochClock): Takes the time of each epoch.

    Returns:
        str: The last checkpoint.

    Raises:
        RunError: If a stage would not see whole epochs.
    """
    cfg = read_config(str(config), dict(data_root=str(data_root)))
    start = None
    if 'first_stage' in cfg:
        # the stages share the budget
        images = images // 2
        start = train(
            config.parent / cfg.first_stage,
            folder / 'first',
            trial,
            images,
            data_root,
            clock,
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
            'randomness.seed': trial.seed,
            'load_from': start,
            'train_cfg.max_epochs': epochs,
            'default_hooks.checkpoint.interval': epochs,
        }
    )
    cfg.optim_wrapper.type = 'm3i_mm.MixedPrecisionOptimWrapper'
    cfg.optim_wrapper.dtype = trial.precision
    if trial.rate is not None:
        cfg.optim_wrapper.optimizer.lr = trial.rate
    for mode in ('val', 'test'):
        for part in ('cfg', 'dataloader', 'evaluator'):
            cfg[f'{mode}_{part}'] = None
    # MMEngine would lay out the text five times, longer than a short run
    cfg = Config(
        cfg.to_dict(), filename=cfg.filename, format_python_code=False
    )
    complete_dataloaders(cfg)
    with explained_errors(cfg):
        runner = building.build_runner(cfg)
        # outside all other hooks
        runner.register_hook(clock, priority='HIGHEST')
        runner.train()
    return (folder / CHECKPOINT).read_text()


def _evaluate(
    trial: Trial, checkpoint: str | None, data_root: Path
) -> dict[str, float]:
    cfg = read_config(str(trial.config_file), dict(data_root=str(data_root)))
    cfg.test_dataloader = cfg[f'{trial.part}_dataloader']
    loaders = _read_sets(cfg)
    if trial.row != PIXELS:
        return evaluate(
            cfg, checkpoint, seed=trial.seed, loaders=loaders
        ).metrics
    metrics: dict[str, float] = {}
    # a vector of pixels has no places
    for names, kind, model in (
        ((*cfg.category_sets, *cfg.transfer_sets), 'image', raw_pixels(32)),
        ((*cfg.place_sets,), 'place', _pixel_patches()),
    ):
        sets = {name: loaders[name] for name in names}
        cfg.test_evaluator = cfg[f'{kind}_metrics']
        metrics.update(evaluate(cfg, model=model, loaders=sets).metrics)
    return metrics


def _read_sets(cfg: Config) -> dict[str, KeptBatches]:
    """Read the sets of the evaluation, once for all runs of a process."""
    settings = str(cfg.test_dataloader)
    if settings not in _KEPT:
        with building.scope_of(cfg):
            loaders = NamedDataLoaders(cfg.test_dataloader, 0)
        _KEPT[settings] = {n: KeptBatches(loaders[n]) for n in loaders}
    return _KEPT[settings]


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
