"""Refuse heads that belong to another list of classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from torch import nn

from m3i_mm.datasets.faults import DataError
from m3i_mm.utils.wrappers import unwrap

from ...registry import HOOKS

__all__ = ['ClassCountHook']


def _heads(model: nn.Module) -> Iterator[tuple[str, int]]:
    """Names and numbers of classes of the modules that have classes."""
    for name, module in unwrap(model).named_modules():
        count = getattr(module, 'num_classes', None)
        # a region proposal network only tells objects from background
        if isinstance(count, int) and not name.endswith('rpn_head'):
            yield name or type(module).__name__, count


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Compare the classes of the data with those of the heads.

    A detector or segmentor whose head has another number of classes than the
    data set trains on wrong labels. Whether a checkpoint has the classes of
    the heads is for ``CheckpointFitHook``.

    Raises:
        DataError: If a head and a data set have different numbers of classes.
    """

    def before_train(self, runner: Any) -> None:
        """Compare the heads with the training set.

        Args:
            runner (Runner): The runner.
        """
        self._compare(runner, runner.train_dataloader)

    def before_val(self, runner: Any) -> None:
        """Compare the heads with the validation set.

        Args:
            runner (Runner): The runner.
        """
        self._compare(runner, runner.val_dataloader)

    def before_test(self, runner: Any) -> None:
        """Compare the heads with the test set.

        Args:
            runner (Runner): The runner.
        """
        self._compare(runner, runner.test_dataloader)

    @staticmethod
    def _compare(runner: Any, loader: Any) -> None:
        dataset = loader.dataset
        classes = dataset.metainfo.get('classes')
        if classes is None:
            return
        for name, count in _heads(runner.model):
            if count != len(classes):
                raise DataError(
                    f'{name} has num_classes={count}, but '
                    f'{type(dataset).__name__} has {len(classes)} classes '
                    f'({", ".join(map(str, classes[:3]))} ...). Set '
                    'num_classes of the heads and metainfo of the data sets '
                    'to the same classes'
                )
