"""Read what a run left in its work folder."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from m3i_mm.visualization import read_scalars

__all__ = ['RunFolder', 'RunFolderError', 'read_run']

# file, and what a reader has to know of it
PICTURES = {
    'mixed_inputs.png': 'What the encoder sees: images, their mix, and which '
    'patch comes from which image.',
    'image_retrieval.png': 'Images that were found for an image by frozen '
    'features. Green frames are right, orange ones wrong.',
    'caption_retrieval.png': 'Texts that were found for an image. Green is '
    'its own.',
    'patch_features.png': 'The three main directions of the patch features '
    'as colours, and the patches that are most like the one framed in red.',
}

_OF_DETECTION = ('coco', 'lvis')
_OF_SEGMENTATION = re.compile('[am](Acc|IoU|Dice|Fscore|Precision|Recall)')


class RunFolderError(FileNotFoundError):
    """A folder that is not the work folder of a run."""


@dataclass
class RunFolder:
    """What is known of a run.

    Attributes:
        name (str): Name of the folder.
        path (Path): The folder.
        curves (dict): Logged values by name and step.
        starts (list[dict]): For each start of the run what
            :func:`~m3i_mm.runs.manifest.describe_run` wrote, in order.
        settings (str): The config as Python, empty if there is none.
        options (dict): The config's values by dotted name.
        results (dict): Percentages by model and metric: those of
            ``results.json``, else the last validation of the log and the
            last tests of the run.
        faults (dict): Content of ``data_report.json``.
        pictures (dict[Path, str]): Pictures and their captions.
    """

    name: str
    path: Path
    curves: dict[str, dict[int, float]]
    starts: list[dict[str, Any]] = field(default_factory=list)
    settings: str = ''
    options: dict[str, str] = field(default_factory=dict)
    results: dict[str, dict[str, float]] = field(default_factory=dict)
    faults: dict[str, Any] = field(default_factory=dict)
    pictures: dict[Path, str] = field(default_factory=dict)


def read_run(folder: str | Path) -> RunFolder:
    """Read the work folder of a run.

    Args:
        folder (str | Path): The folder.

    Returns:
        RunFolder: What was found; what a run does not write is empty.

    Raises:
        RunFolderError: If the folder is missing or holds no log.
        ValueError: If a JSON file in it is damaged; names the file.
    """
    path = Path(folder)
    if not path.is_dir():
        raise RunFolderError(f'There is no folder {str(folder)!r}')
    try:
        curves = read_scalars(path)
    except FileNotFoundError as error:
        raise RunFolderError(str(error)) from error
    report = _read_json(path / 'results.json')
    settings, options = _read_config(path)
    return RunFolder(
        name=path.resolve().name,
        path=path,
        curves=curves,
        starts=[_read_json(file) for file in sorted(path.glob('*/run.json'))],
        settings=settings,
        options=options,
        results=report.get('results') or _last_metrics(path, curves),
        faults=_read_json(path / 'data_report.json'),
        pictures={
            path / name: caption
            for name, caption in PICTURES.items()
            if (path / name).is_file()
        },
    )


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return json.loads(file.read_text(encoding='utf8'))
    except ValueError as error:
        raise ValueError(f'{file} is damaged: {error}') from error


def _read_config(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the newest config that the runner wrote, and its values."""
    files = sorted(folder.glob('*.py'), key=lambda file: file.stat().st_mtime)
    if not files:
        return '', {}
    cfg = Config.fromfile(files[-1])
    return cfg.pretty_text, _flatten(cfg.to_dict())


def _flatten(value: Any, name: str = '') -> dict[str, str]:
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)) and any(
        isinstance(item, dict) for item in value
    ):
        items = dict(enumerate(value)).items()
    else:
        return {name: repr(value)}
    flat: dict[str, str] = {}
    for key, item in items:
        flat.update(_flatten(item, f'{name}.{key}' if name else str(key)))
    return flat


def _last_metrics(
    folder: Path, curves: dict[str, dict[int, float]]
) -> dict[str, dict[str, float]]:
    """Return the last value of every metric, of validation and tests."""
    last = {name: curves[name][max(curves[name])] for name in curves}
    for file in sorted(folder.glob('*/*.json')):
        # what MMEngine writes after a test has the name of the test's folder
        if file.stem == file.parent.name:
            last.update(_read_json(file))
    metrics = _in_percent(last)
    return {'this run': metrics} if metrics else {}


def _in_percent(values: dict[str, float]) -> dict[str, float]:
    """Pick metrics and bring them to percent.

    Metrics have a slash, but for MMSegmentation's. MMDetection's are shares,
    and below zero where there is nothing to score.
    """
    return {
        name: value * (100 if name.split('/')[0] in _OF_DETECTION else 1)
        for name, value in values.items()
        if ('/' in name or _OF_SEGMENTATION.fullmatch(name)) and value >= 0
    }
