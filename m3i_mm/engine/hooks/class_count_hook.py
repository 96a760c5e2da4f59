"""Refuse heads that belong to another list of classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from m3i_mm.checkpoints.reading import CheckpointError

from ...registry import HOOKS

__all__ = ['ClassCountHook']


def _unwrap(model: nn.Module) -> nn.Module:
    return (
        getattr(model, 'module', model) if is_model_wrapper(model) else model
    )


def _heads(model: nn.Module) -> Iterator[tuple[str, int]]:
    """Names and numbers of classes of the modules that have classes."""
    for name, module in _unwrap(model).named_modules():
        count = getattr(module, 'num_classes', None)
        # a region proposal network only tells objects from background
        if isinstance(count, int) and not name.endswith('rpn_head'):
            yield name or type(module).__name__, count


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Compare the classes of the data, of the heads and of the checkpoint.

    A detector or segmentor whose head has another number of classes than the
    data set trains on wrong labels, and MMEngine skips the weights of a
    checkpoint that do not fit with a warning. Fine-tuning to other classes
    does that on purpose; an evaluation never.

    Raises:
        ValueError: If a head and a data set have different numbers of classes.
        CheckpointError: If a checkpoint is evaluated of which weights do not
            fit.
    """

    def __init__(self) -> None:
        self._unfit: list[str] = []

    def after_load_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Remember which weights do not fit.

        Args:
            runner (Runner): The runner that loads the checkpoint.
            checkpoint (dict): The file's content.
        """
        given = checkpoint.get('state_dict', checkpoint)
        given = {k.removeprefix('module.'): v for k, v in given.items()}
        self._unfit = [
            f'{name} {tuple(given[name].shape)}, not {tuple(value.shape)}'
            for name, value in _unwrap(runner.model).state_dict().items()
            if name in given and given[name].shape != value.shape
        ]

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
        """Compare the heads with the test set and the checkpoint.

        Args:
            runner (Runner): The runner.
        """
        self._compare(runner, runner.test_dataloader)
        if self._unfit:
            raise CheckpointError(
                f'{len(self._unfit)} weights of the checkpoint do not fit '
                f'the model: {", ".join(self._unfit[:3])}. Evaluate it with '
                'the config it was trained with'
            )

    @staticmethod
    def _compare(runner: Any, loader: Any) -> None:
        dataset = loader.dataset
        classes = dataset.metainfo.get('classes')
        if classes is None:
            return
        for name, count in _heads(runner.model):
            if count != len(classes):
                raise ValueError(
                    f'{name} has num_classes={count}, but '
                    f'{type(dataset).__name__} has {len(classes)} classes '
                    f'({", ".join(map(str, classes[:3]))} ...). Set '
                    'num_classes of the heads and metainfo of the data sets '
                    'to the same classes'
                )
