"""The dataloaders of several named data sets, from one config entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.runner import Runner
from torch.utils.data import DataLoader

from m3i_mm.datasets import SourceDataset

from .extraction import require_samples

__all__ = ['NamedDataLoaders']


class NamedDataLoaders(Mapping[str, DataLoader]):
    """The dataloaders of several data sets.

    Args:
        config (dict): An entry that holds a ``dataset`` is a set; every other
            entry, such as ``batch_size``, is a setting of all sets.
        seed (int, optional): Seed of samplers and workers.

    Labels that number the folders or names of a set are brought to the numbers
    of the first set that has such names: a bank and a query of which one lacks
    a class, or has it elsewhere, are still told by the same numbers.

    Raises:
        ValueError: If there is no set, or one is empty.
        DataError: If a set has a class that the first one lacks.
    """

    def __init__(
        self, config: dict[str, Any], seed: int | None = None
    ) -> None:
        names = [
            name
            for name, value in config.items()
            if isinstance(value, Mapping) and 'dataset' in value
        ]
        if not names or 'dataset' in config:
            raise ValueError(
                'FeatureEvalLoop needs a dataloader of named sets, '
                'dict(batch_size=64, bank=dict(dataset=...), '
                f'query=dict(dataset=...)), got the keys {sorted(config)}.'
            )
        shared = {
            'num_workers': 0,
            'sampler': dict(type='DefaultSampler', shuffle=False),
            'collate_fn': dict(type='default_collate'),
            **{key: config[key] for key in config if key not in names},
        }
        self.loaders = {
            name: _build_dataloader({**shared, **config[name]}, seed, name)
            for name in names
        }
        _match_classes([loader.dataset for loader in self.loaders.values()])

    def __getitem__(self, name: str) -> DataLoader:
        return self.loaders[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.loaders)

    def __len__(self) -> int:
        # MMEngine's hooks ask for the number of batches of a dataloader
        return sum(len(loader) for loader in self.loaders.values())


def _build_dataloader(
    config: dict[str, Any], seed: int | None, name: str
) -> DataLoader:
    if config['num_workers'] == 0:
        config.pop('persistent_workers', None)
    loader = Runner.build_dataloader(config, seed=seed)
    if hasattr(loader.dataset, '__len__'):
        require_samples(len(loader.dataset), loader.dataset, name)
    return loader


def _match_classes(datasets: list[Any]) -> None:
    named = [
        dataset
        for dataset in datasets
        if isinstance(dataset, SourceDataset) and dataset.classes
    ]
    for dataset in named[1:]:
        dataset.match_classes(named[0].classes)
