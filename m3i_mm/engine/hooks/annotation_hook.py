"""Refuse annotations that do not fit the config, before hours of work."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from m3i_mm.datasets.annotations import (
    check_annotations,
    check_label_maps,
    check_numbers,
    single_datasets,
)
from m3i_mm.registry import HOOKS

__all__ = ['AnnotationHook']


@HOOKS.register_module()
class AnnotationHook(Hook):
    """Checks what the data of a run say of classes, masks and label maps.

    Names of classes are compared between annotation file and config, training
    and validation, checkpoint and test set; masks and files that are missing
    are found before the run, label maps are checked in every batch.

    Raises:
        DataError: With the file, and what is wrong with it.
    """

    def __init__(self) -> None:
        self._checked: set[int] = set()
        self._trained_on: Any = None

    def after_load_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Remember the classes that a checkpoint was trained on."""
        facts = checkpoint.get('meta', {}).get('dataset_meta') or {}
        self._trained_on = facts.get('classes')

    def before_train(self, runner: Any) -> None:
        """Check the training and the validation set."""
        train = _dataset(runner.train_dataloader)
        self._check(train)
        if runner.val_loop is None:
            return
        val = _dataset(runner.val_loop.dataloader)
        self._check(val)
        _compare(
            val, 'the validation set', _classes(train), 'the training set'
        )

    def before_test(self, runner: Any) -> None:
        """Check the test set."""
        test = _dataset(runner.test_dataloader)
        self._check(test)
        _compare(test, 'the test set', self._trained_on, 'the checkpoint')

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Check the label maps of a batch."""
        _check_batch(_dataset(runner.train_dataloader), data_batch)

    def before_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Check the label maps of a batch."""
        _check_batch(_dataset(runner.val_loop.dataloader), data_batch)

    def before_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Check the label maps of a batch."""
        _check_batch(_dataset(runner.test_dataloader), data_batch)

    def _check(self, dataset: Any) -> None:
        for single in single_datasets(dataset):
            if id(single) not in self._checked:
                check_annotations(single)
                self._checked.add(id(single))


def _dataset(loader: Any) -> Any:
    """The data set of a loader; loaders of several named sets have none."""
    return getattr(loader, 'dataset', None)


def _classes(dataset: Any) -> Any:
    return (getattr(dataset, 'metainfo', None) or {}).get('classes')


def _compare(dataset: Any, who: str, reference: Any, whose: str) -> None:
    classes = _classes(dataset)
    if classes and reference:
        check_numbers(classes, reference, who, whose)


def _check_batch(dataset: Any, batch: Any) -> None:
    classes = _classes(dataset)
    if classes and isinstance(batch, dict) and 'data_samples' in batch:
        samples = batch['data_samples']
        if isinstance(samples, list | tuple):
            check_label_maps(batch['inputs'], samples, len(classes))
