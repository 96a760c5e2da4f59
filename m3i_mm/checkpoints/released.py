"""The files that InternImage's authors released, by name.

The table is what the metafiles below ``configs/`` say of them: address,
config, task and published numbers.
"""

from __future__ import annotations

import dataclasses
import os.path as osp
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmengine.fileio import load

from m3i_mm.utils.names import near_names

__all__ = ['ReleasedFile', 'find_released', 'near_released', 'released_files']

ROOT = Path(__file__).resolve().parents[1] / '.mim'


@dataclasses.dataclass(frozen=True)
class ReleasedFile:
    """A file of the authors.

    Attributes:
        name (str): Its name without ``.pth``.
        url (str): Its address.
        models (tuple[str, ...]): Names of the entries of the metafiles.
        tasks (tuple[str, ...]): For example ``('Object Detection', )``.
        configs (tuple[str, ...]): Configs of its model, below ``configs/``;
            several if they evaluate on different data.
        classes (str): Data set whose classes a cut head has; else empty, the
            file says it.
        options (Mapping): What is changed in the config for this file.
        numbers (tuple[str, ...]): What was published, e.g.
            ``'box AP 47.2 on COCO'``.
    """

    name: str
    url: str
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    configs: tuple[str, ...]
    classes: str
    options: Mapping[str, Any]
    numbers: tuple[str, ...]

    def describe(self) -> str:
        """Say what the file is, in a part of a sentence."""
        tasks = ' and '.join(self.tasks).lower()
        return (
            f"a file of InternImage's authors for {tasks}, of the config "
            f'{" or ".join(self.configs)}'
        )


@lru_cache(maxsize=1)
def released_files() -> dict[str, ReleasedFile]:
    """List the files of the authors.

    Returns:
        dict[str, ReleasedFile]: By their names, without ``.pth``.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for model in _models():
        if 'Weights' in model:
            rows.setdefault(model['Weights'], []).append(model)
    files = [_file(url, models) for url, models in rows.items()]
    return {file.name: file for file in files}


def _models() -> Iterator[dict[str, Any]]:
    index = load(str(ROOT / 'model-index.yml'))
    for metafile in index['Import']:
        yield from load(str(ROOT / metafile))['Models']


def _file(url: str, models: list[dict[str, Any]]) -> ReleasedFile:
    results = [r for model in models for r in model.get('Results') or []]
    return ReleasedFile(
        name=_stem(url),
        url=url,
        models=tuple(model['Name'] for model in models),
        tasks=tuple(dict.fromkeys(r['Task'] for r in results)),
        configs=tuple(
            osp.splitext(osp.relpath(model['Config'], 'configs'))[0]
            for model in models
        ),
        classes=models[0].get('Classes', ''),
        options=models[0].get('Config Options', {}),
        numbers=tuple(
            f'{metric} {value} on {result["Dataset"]}'
            for result in results
            for metric, value in result['Metrics'].items()
        ),
    )


def _stem(path: str) -> str:
    return osp.basename(path).removesuffix('.pth')


def find_released(path: str) -> ReleasedFile | None:
    """Find the file of the authors that has a name.

    Args:
        path (str): Name with or without ``.pth``, path or address.

    Returns:
        ReleasedFile | None: None if the authors have no such file.
    """
    return released_files().get(_stem(path))


def near_released(path: str) -> str:
    """Propose files of the authors for a name that is unknown.

    Args:
        path (str): A path or name.

    Returns:
        str: A sentence that begins with a space, empty if none is near.
    """
    return near_names(_stem(path), released_files(), cutoff=0.8)
