"""The evaluation loop for frozen features.

In a config::

    val_dataloader = dict(
        batch_size=64,
        num_workers=2,
        bank=dict(dataset=dict(...)),
        query=dict(dataset=dict(...)),
    )
    val_evaluator = [
        dict(type='m3i_mm.KNNAccuracy', field='group', k=10),
        dict(type='m3i_mm.LinearProbe', field='group'),
    ]
    val_cfg = dict(type='m3i_mm.FeatureEvalLoop')

The same for ``test_dataloader``, ``test_evaluator`` and ``test_cfg``. How
often it runs in training is ``train_cfg.val_interval``; the best checkpoint is
kept by ``default_hooks.checkpoint = dict(save_best='knn/group_top1')``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.runner import BaseLoop, Runner, autocast
from torch.utils.data import DataLoader

from m3i_mm.registry import LOOPS, METRICS

from .extraction import (
    finish_table,
    predict_features,
    require_samples,
    to_table,
)
from .metrics import FeatureMetric
from .tables import FeatureTable

__all__ = ['FeatureEvalLoop', 'NamedDataLoaders', 'build_metrics']


class NamedDataLoaders(Mapping[str, DataLoader]):
    """The dataloaders of several data sets.

    Args:
        config (dict): An entry that holds a ``dataset`` is a set; every other
            entry, such as ``batch_size``, is a setting of all sets.
        seed (int, optional): Seed of samplers and workers.

    Raises:
        ValueError: If there is no set, or one is empty.
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


def build_metrics(
    configs: dict[str, Any] | Sequence[dict[str, Any]], sets: Sequence[str]
) -> list[FeatureMetric]:
    """Build metrics and check that the sets they use exist.

    Args:
        configs (dict | Sequence[dict]): One metric or several.
        sets (Sequence[str]): Names of the sets.

    Returns:
        list[FeatureMetric]: The metrics.

    Raises:
        TypeError: If one is not a metric on features.
        ValueError: If a metric uses a set that is not there.
    """
    if isinstance(configs, Mapping):
        configs = [configs]
    metrics = [METRICS.build(config) for config in configs]
    for metric in metrics:
        if not isinstance(metric, FeatureMetric):
            raise TypeError(
                f'{type(metric).__name__} is no metric on frozen features; '
                'FeatureEvalLoop takes those of m3i_mm.evaluation.metrics.'
            )
        unknown = sorted(set(metric.set_names) - set(sets))
        if unknown:
            raise ValueError(
                f'{type(metric).__name__} uses the set {unknown[0]!r}, but '
                f'the dataloader has only: {", ".join(sets)}.'
            )
    return metrics


@LOOPS.register_module()
class FeatureEvalLoop(BaseLoop):
    """Extracts the features of named sets and computes metrics on them.

    It serves as ``val_cfg`` and as ``test_cfg``. Every process extracts its
    share; the first one computes the metrics.

    Args:
        runner (Runner): The runner.
        dataloader (dict): Named sets, see :class:`NamedDataLoaders`.
        evaluator (dict | list[dict]): The metrics.
        fp16 (bool): Whether to extract with automatic mixed precision.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: dict[str, Any],
        evaluator: dict[str, Any] | list[dict[str, Any]],
        fp16: bool = False,
    ) -> None:
        self._runner = runner
        self.dataloader = NamedDataLoaders(dataloader, runner.seed)
        self.metrics = build_metrics(evaluator, list(self.dataloader))
        self.fp16 = fp16

    def run(self) -> dict[str, float]:
        """Evaluate the runner's model.

        Returns:
            dict[str, float]: Percentages by ``prefix/name``.
        """
        self._call_hook('before')
        self._call_hook('before', '_epoch')
        self.runner.model.eval()
        values = self.compute(self.extract())
        self._call_hook('after', '_epoch', metrics=values)
        self._call_hook('after')
        return values

    @torch.no_grad()
    def extract(self) -> dict[str, FeatureTable]:
        """Compute the features of all sets.

        Returns:
            dict[str, FeatureTable]: Tables by set name.
        """
        batch_idx = 0
        tables = {}
        for name, loader in self.dataloader.items():
            parts = []
            for batch in loader:
                self._call_hook(
                    'before', '_iter', batch_idx=batch_idx, data_batch=batch
                )
                with autocast(enabled=self.fp16):
                    samples = predict_features(self.runner.model, batch)
                parts.append(to_table(samples, name))
                self._call_hook(
                    'after',
                    '_iter',
                    batch_idx=batch_idx,
                    data_batch=batch,
                    outputs=samples,
                )
                batch_idx += 1
            tables[name] = finish_table(parts, loader, name)
        return tables

    def compute(self, tables: dict[str, FeatureTable]) -> dict[str, float]:
        """Compute all metrics on the first process and tell the others.

        Args:
            tables (dict[str, FeatureTable]): Tables by set name.

        Returns:
            dict[str, float]: Percentages by ``prefix/name``.
        """
        values: list[dict[str, float] | None] = [None]
        if is_main_process():
            values = [compute_metrics(self.metrics, tables, self.runner.model)]
        broadcast_object_list(values)
        assert values[0] is not None
        return values[0]

    def _call_hook(self, when: str, what: str = '', **kwargs: Any) -> None:
        # the same loop type serves both modes, whose hooks have other names
        is_test = getattr(self.runner, '_test_loop', None) is self
        mode = 'test' if is_test else 'val'
        self.runner.call_hook(f'{when}_{mode}{what}', **kwargs)


def compute_metrics(
    metrics: Sequence[FeatureMetric],
    tables: Mapping[str, FeatureTable],
    model: torch.nn.Module,
) -> dict[str, float]:
    """Compute several metrics.

    Args:
        metrics (Sequence[FeatureMetric]): The metrics.
        tables (Mapping[str, FeatureTable]): Tables by set name.
        model (nn.Module): The model.

    Returns:
        dict[str, float]: Percentages by ``prefix/name``.

    Raises:
        ValueError: If two metrics have a result of the same name.
    """
    values: dict[str, float] = {}
    for metric in metrics:
        new = metric.evaluate(tables, model)
        twice = sorted(values.keys() & new.keys())
        if twice:
            raise ValueError(
                f'Two metrics report {twice[0]!r}: give one of them another '
                'prefix.'
            )
        values.update(new)
    return values
