"""Training runs of the downstream demo, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from m3i_mm.visualization import read_scalars

ROOT = Path(__file__).parents[3]
PRETRAINING = 'configs/m3i/m3i_resnet18-contrast_1xb64-coslr-16e_emoji.py'
INITIALIZATIONS = ('random', 'M3I')


@dataclass(frozen=True)
class Task:
    """One downstream task.

    Args:
        name (str): Name of its folder and picture.
        config (str): Config file, from the root of the repository.
        metrics (dict[str, str]): Logged name by name in the table.
        scale (float): Makes the logged values percentages.
    """

    name: str
    config: str
    metrics: dict[str, str]
    scale: float


TASKS = (
    Task(
        'detection',
        'projects/emoji/configs/mask-rcnn_resnet18_fpn_1xb4-4e_emoji-scenes.py',
        {
            'box AP': 'coco/bbox_mAP',
            'box AP50': 'coco/bbox_mAP_50',
            'mask AP': 'coco/segm_mAP',
            'mask AP50': 'coco/segm_mAP_50',
        },
        scale=100.0,
    ),
    Task(
        'segmentation',
        'projects/emoji/configs/upernet_resnet18_1xb4-4e_emoji-scenes.py',
        {'mIoU': 'mIoU', 'pixel accuracy': 'aAcc'},
        scale=1.0,
    ),
)


def _train(config: str, work_dir: Path, options: list[str]) -> None:
    command = [sys.executable, str(ROOT / 'tools/train.py'), config]
    command += ['--work-dir', str(work_dir.resolve())]
    if options:
        command += ['--cfg-options', *options]
    subprocess.run(command, cwd=ROOT, check=True)


def pretrained_backbone(pretrained: Path) -> Path:
    """Find the checkpoint of the demo, or pre-train.

    Args:
        pretrained (Path): A checkpoint, or the work folder of ``make demo``.
            Without a checkpoint in it the pre-training of the demo runs.

    Returns:
        Path: The checkpoint.

    Raises:
        FileNotFoundError: If a checkpoint file is named that does not exist.
    """
    if pretrained.suffix == '.pth':
        if not pretrained.is_file():
            raise FileNotFoundError(f'there is no checkpoint {pretrained}')
        return pretrained.resolve()
    if not list(pretrained.rglob('last_checkpoint')):
        print(f'{pretrained} holds no checkpoint yet: pre-training first')
        _train(PRETRAINING, pretrained, [])
    pointer = max(pretrained.rglob('last_checkpoint'), key=_modified)
    checkpoint = Path(pointer.read_text().strip())
    # the pointer is relative to where the training was started
    return (ROOT / checkpoint).resolve()


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def fine_tune(
    task: Task, checkpoint: Path | None, work_dir: Path, options: list[str]
) -> dict[str, float]:
    """Fine-tune a task and return the metrics of its test scenes.

    Args:
        task (Task): The task.
        checkpoint (Path, optional): Pre-training whose encoder initialises
            the backbone. Defaults to None: random weights.
        work_dir (Path): Work folder of the run.
        options (list[str]): Overrides of the config, ``KEY=VALUE``.

    Returns:
        dict[str, float]: Percentages by the names of ``task.metrics``.
    """
    initialization = []
    if checkpoint is not None:
        key = 'model.backbone.init_cfg'
        initialization = [
            f'{key}.type=Pretrained',
            f'{key}.checkpoint={checkpoint}',
            f'{key}.prefix=backbone.',
        ]
    _train(task.config, work_dir, [*initialization, *options])
    scalars = read_scalars(work_dir)
    return {
        name: task.scale * scalars[logged][max(scalars[logged])]
        for name, logged in task.metrics.items()
    }
