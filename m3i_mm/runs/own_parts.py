"""Parts of a downstream config that one's own data replace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import Config

__all__ = [
    'LOADERS',
    'TRAIN_NAMES',
    'VAL_NAMES',
    'datasets_of',
    'evaluators_of',
    'half_of',
    'replace_dataset',
]

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# how the halves of a data set are called, the likeliest first
TRAIN_NAMES = ('train2017', 'training', 'train')
VAL_NAMES = ('val2017', 'validation', 'valid', 'val', 'test')


def datasets_of(cfg: Config, loader: str) -> Iterator[Any]:
    """Yield the settings of a loader's data sets, inside their wrappers."""
    nodes = [(cfg.get(loader) or {}).get('dataset')]
    while nodes:
        node = nodes.pop()
        if node is None:
            continue
        inner = [*node.get('datasets', []), node.get('dataset')]
        if any(inner):
            nodes += inner
        else:
            yield node


def evaluators_of(cfg: Config, *loaders: str) -> Iterator[Any]:
    """Yield the settings of the evaluators beside loaders."""
    for loader in loaders:
        value = cfg.get(loader.replace('dataloader', 'evaluator'))
        if value:
            yield from [value] if isinstance(value, dict) else value


def half_of(names: Sequence[str], loader: str) -> str | None:
    """Return the name of those that belongs to training or evaluation."""
    wanted = TRAIN_NAMES if loader.startswith('train') else VAL_NAMES
    found = [n for w in wanted for n in names if w in n.lower()]
    if not found and len(names) == 1:
        return names[0]
    if not found:
        return None
    return found[0]


def replace_dataset(dataset: Any, **settings: Any) -> None:
    """Give a data set other data, keeping its pipeline."""
    kept = {
        key: dataset[key]
        for key in ('pipeline', 'filter_cfg', 'test_mode', '_scope_')
        if dataset.get(key) is not None
    }
    dataset.clear()
    dataset.update({**settings, **kept})
