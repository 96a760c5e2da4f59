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

from typing import Any

import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.runner import BaseLoop, Runner, autocast

from m3i_mm.registry import LOOPS

from .dataloaders import NamedDataLoaders
from .extraction import finish_table, predict_features, to_table
from .metrics import build_metrics, compute_metrics
from .tables import FeatureTable

__all__ = ['FeatureEvalLoop']


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
