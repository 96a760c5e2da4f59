"""Write the config of a pre-training on one's own pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from pprint import pformat
from typing import Any

import torch
from mmengine.config import Config

import m3i_mm
from m3i_mm.utils.names import near_names

from .config_check import ConfigError
from .manifest import join_words
from .survey import Survey

__all__ = ['Plan', 'model_names', 'plan_pretraining', 'write_recipe']

TARGETS = ('category', 'text', 'intra', 'inter')
_PREFIX = 'm3i_'
# models in the form of docs/experiments.md have its schedule
_SCHEDULES = {'resnet18-contrast': 'm3i_64_adamw_slow-text'}
_OTHER_SCHEDULE = 'm3i_64_adamw_10e_emoji'
# pictures of a batch of which the other view is to be told, in experiments
CONTRAST_BATCH = 64


def model_names() -> list[str]:
    """List the models that ``configs/_base_/models`` has for M3I."""
    folder = Path(m3i_mm.__file__).resolve().parent
    files = folder.glob(f'.mim/configs/_base_/models/{_PREFIX}*.py')
    return sorted(file.stem.removeprefix(_PREFIX) for file in files)


@dataclass
class Plan:
    """What follows from the pictures and the machine.

    Attributes:
        model (str): One of :func:`model_names`.
        image_size (int): Side of a view in pixels.
        other_size (int): Side of the other view of each picture.
        batch_size (int): Pictures in a step of one device.
        epochs (int): Passes over the pictures.
        targets (list[str]): Names of the objectives.
        workers (int): Processes that read pictures.
        remarks (list[str]): What to expect less of, and why.
    """

    model: str
    image_size: int
    other_size: int
    batch_size: int
    epochs: int
    targets: list[str]
    workers: int
    remarks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        sizes = dict.fromkeys((self.image_size, self.other_size))
        said = (
            f'{self.model} on views of '
            f'{" and ".join(map(str, sizes))} px, batch '
            f'{self.batch_size}, {self.epochs} epochs; targets: '
            f'{", ".join(self.targets)}'
        )
        return '\n'.join([said, *(f'  {text}' for text in self.remarks)])


def plan_pretraining(
    found: list[Survey],
    model: str | None = None,
    image_size: int | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    without: list[str] | None = None,
    devices: int = 1,
) -> Plan:
    """Choose what a user did not say.

    On a CPU a small ResNet on small views, in the form of the targets that
    did best on small budgets (docs/experiments.md): another view of half the
    size is told from those of other pictures. On a GPU a ViT-S/16 with the
    targets of the paper. The length is such that 32,000 pictures are seen,
    with a GPU 2.6 million, which small data needs to be seen often enough,
    between 5 and 400 epochs.

    Args:
        found (list[Survey]): The pictures.
        model (str, optional): One of :func:`model_names`.
        image_size (int, optional): Side of a view in pixels.
        batch_size (int, optional): A multiple of the pictures of a mix, two,
            where the model mixes them.
        epochs (int, optional): Passes over the pictures.
        without (list[str], optional): Targets to leave out.
        devices (int): Processes, each of which takes batches of its own.

    Returns:
        Plan: The plan.

    Raises:
        ConfigError: If the model is unknown, there are fewer than two
            pictures for a device, or no target is left.
    """
    gpu = torch.cuda.is_available()
    model = model or ('vit-small-p16' if gpu else 'resnet18-contrast')
    settings = _model_settings(model)
    contrast = settings.input.type == 'BothViews'
    count = sum(part.count for part in found)
    if count < 2:
        raise ConfigError('two pictures are needed at least, there is one')
    share = count // devices
    if share < max(2, batch_size or 2) and devices > 1:
        raise ConfigError(
            f'--devices {devices}: {count} pictures are not a batch of '
            f'{batch_size or 2} for each'
        )
    batch = batch_size or _batch_size(share, gpu, contrast)
    _check_batch(batch, contrast)
    wanted = (2_560_000 if gpu else 32_000) // count
    targets = _targets(found, settings, without or [])
    remarks = []
    if contrast and 'inter' in targets and batch < CONTRAST_BATCH:
        remarks.append(
            f'another view is told from those of {batch - 1} other pictures '
            f'of a batch: less is learned than from {CONTRAST_BATCH - 1}'
        )
    size = image_size or (224 if gpu else 96)
    return Plan(
        model=model,
        image_size=size,
        other_size=_other_size(size) if contrast else size,
        batch_size=batch,
        epochs=epochs or min(400, max(5, wanted)),
        targets=targets,
        workers=min(8, torch.get_num_threads() if count > 256 else 0),
        remarks=remarks,
    )


def _model_settings(model: str) -> Any:
    names = model_names()
    if model not in names:
        raise ConfigError(
            f'there is no model {model!r}.{near_names(model, names)} All: '
            f'{", ".join(names)}'
        )
    path = m3i_mm.get_config_path(f'_base_/models/{_PREFIX}{model}.py')
    return Config.fromfile(path).model


def _other_size(size: int) -> int:
    """Return half of it, where two tokens of stride 16 a side are left."""
    return max(size // 2, min(size, 32))


def _batch_size(count: int, gpu: bool, contrast: bool) -> int:
    most = 128 if gpu else CONTRAST_BATCH if contrast else 32
    return min(most, count if contrast else count // 2 * 2)


def _check_batch(batch: int, contrast: bool) -> None:
    if contrast and batch < 2:
        raise ConfigError(
            f'--batch-size {batch}: a picture is told from the others of its '
            'batch'
        )
    if not contrast and batch % 2:
        raise ConfigError(f'--batch-size {batch}: two pictures make a mix')


def _targets(
    found: list[Survey], settings: Any, without: list[str]
) -> list[str]:
    for name in without:
        if name not in TARGETS:
            raise ConfigError(
                f'--without {name}: the targets are {", ".join(TARGETS)}.'
                + near_names(name, TARGETS)
            )
    there = dict(
        category=any(part.classes for part in found),
        text=any(part.texts for part in found),
        intra=bool(settings.objectives.intra),
        inter=True,
    )
    targets = [n for n in TARGETS if there[n] and n not in without]
    if not targets:
        raise ConfigError('--without leaves no target to be trained on')
    return targets


def write_recipe(
    path: Path,
    found: list[Survey],
    plan: Plan,
    init: str | None = None,
    command: list[str] | None = None,
) -> None:
    """Write the config, short and inheriting.

    Args:
        path (Path): The file.
        found (list[Survey]): The pictures.
        plan (Plan): See :func:`plan_pretraining`.
        init (str, optional): Weights that the backbone starts from.
        command (list[str], optional): What the user typed.
    """
    parts = [_dataset(part, plan, found) for part in found]
    dataset = parts[0]
    if len(parts) > 1:
        dataset = dict(type='m3i_mm.MixtureDataset', datasets=parts)
    head = [line for part in found for line in str(part).split('\n')]
    schedule = _SCHEDULES.get(plan.model, _OTHER_SCHEDULE)
    if command:
        head.insert(0, f'Written by: {join_words(command)}')
    sections = dict(
        model=_model(found, plan, init),
        train_dataloader=dict(
            batch_size=plan.batch_size,
            num_workers=plan.workers,
            persistent_workers=plan.workers > 0,
            dataset=dataset,
        ),
        train_cfg=dict(max_epochs=plan.epochs, val_interval=plan.epochs),
    )
    text = '\n'.join(
        [
            *(f'# {_on_one_line(line)}' for line in head),
            '# Everything below may be changed by hand.',
            '_base_ = [',
            f"    'm3i_mm::_base_/models/{_PREFIX}{plan.model}.py',",
            "    'm3i_mm::_base_/datasets/two_views_224.py',",
            f"    'm3i_mm::_base_/schedules/{schedule}.py',",
            "    'm3i_mm::_base_/default_runtime.py',",
            ']',
            _VIEWS.format(size=plan.image_size, other=plan.other_size),
            *(f'{name} = {_write(value)}' for name, value in sections.items()),
            '# a small run keeps its last checkpoint and speaks often',
            'default_hooks = dict(',
            f'    checkpoint=dict(interval={_saved_every(found, plan)}, '
            'max_keep_ckpts=1),',
            '    logger=dict(interval=10),',
            ')',
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + '\n', encoding='utf-8')


def _on_one_line(text: str) -> str:
    """Escape what would end a comment: the line breaks of odd file names."""
    return '\\n'.join(text.splitlines())


def _saved_every(found: list[Survey], plan: Plan) -> int:
    """Return the epochs between checkpoints: some hundred steps at least."""
    steps = sum(part.count for part in found) // plan.batch_size
    return min(plan.epochs, max(1, 200 // max(1, steps)))


_VIEWS = """\
image_size = {size}
other_size = {other}
view, other_view = [
    [
        dict(type='m3i_mm.Background'),
        dict(type='m3i_mm.RandomView', size=size, scale=(0.2, 1.0)),
        dict(type='m3i_mm.ColorMatrix'),
    ]
    for size in (image_size, other_size)
]
views = [
    dict(
        type='m3i_mm.MultiViewWithGeometry',
        transforms=[
            [*view, dict(type='m3i_mm.RandomBlur', prob=0.5)],
            [*other_view, dict(type='m3i_mm.RandomBlur', prob=0.1)],
        ],
    ),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=('text_tokens', 'view_geometry'),
        meta_keys=('sample_key', 'source'),
    ),
]
"""


class _Name(str):
    """A variable of the config, written without quotes."""

    def __repr__(self) -> str:
        return str(self)


def _write(value: Any) -> str:
    return pformat(value, width=79, sort_dicts=False)


def _model(
    found: list[Survey], plan: Plan, init: str | None
) -> dict[str, Any]:
    there = _model_settings(plan.model).objectives
    objectives: dict[str, Any] = {
        name: None
        for name in TARGETS
        if there[name] and name not in plan.targets
    }
    if 'category' in plan.targets:
        classes = next(part.classes for part in found if part.classes)
        objectives['category'] = dict(
            target=dict(field='gt_label', num_classes=len(classes))
        )
    model: dict[str, Any] = dict(objectives=objectives)
    backbone: dict[str, Any] = {}
    if plan.model.startswith('vit'):
        backbone['img_size'] = _Name('image_size')
    if init:
        backbone['init_cfg'] = dict(type='Pretrained', checkpoint=init)
    if backbone:
        model['backbone'] = backbone
    return model


def _dataset(part: Survey, plan: Plan, found: list[Survey]) -> dict[str, Any]:
    pipeline: list[Any] = [dict(type='m3i_mm.DecodeImage', reduce=True)]
    labelled = next((other for other in found if other.classes), None)
    if 'category' in plan.targets and part is labelled:
        labels: dict[str, Any] = dict(type='m3i_mm.Labels')
        if part.named:
            labels['classes'] = dict(gt_label=part.classes)
        pipeline.append(labels)
    if 'text' in plan.targets and part.texts:
        pipeline += [
            dict(type='m3i_mm.ChooseText', skip_empty=True),
            dict(type='m3i_mm.CleanText'),
            dict(type='m3i_mm.Tokenize', tokenizer='clip'),
        ]
    return dict(
        type='m3i_mm.SourceDataset',
        source=part.source,
        pipeline=[*pipeline, _Name('*views')],
    )
