"""ClassCountHook: classes of data, heads and checkpoints agree."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from m3i_mm.checkpoints.reading import CheckpointError
from m3i_mm.engine.hooks import ClassCountHook

pytestmark = pytest.mark.openmmlab


class Head(nn.Linear):
    def __init__(self, num_classes):
        super().__init__(2, num_classes)
        self.num_classes = num_classes


class Detector(nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.bbox_head = Head(num_classes)
        self.rpn_head = Head(1)


class Dataset:
    def __init__(self, *classes):
        self.metainfo = dict(classes=classes) if classes else {}


def runner(num_classes, *classes):
    loader = SimpleNamespace(dataset=Dataset(*classes))
    return SimpleNamespace(
        model=Detector(num_classes),
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
    )


STAGES = ['before_train', 'before_val', 'before_test']


@pytest.mark.parametrize('stage', STAGES)
def test_equal_numbers_pass(stage):
    getattr(ClassCountHook(), stage)(runner(3, 'cat', 'dog', 'owl'))


@pytest.mark.parametrize('stage', STAGES)
def test_data_without_classes_pass(stage):
    getattr(ClassCountHook(), stage)(runner(3))


@pytest.mark.parametrize('stage', STAGES)
def test_other_number_of_classes(stage):
    with pytest.raises(
        ValueError,
        match=r'bbox_head has num_classes=3, but Dataset has 2 classes '
        r'\(cat, dog \.\.\.\)',
    ):
        getattr(ClassCountHook(), stage)(runner(3, 'cat', 'dog'))


def test_checkpoint_of_other_classes_is_not_evaluated():
    hook, run = ClassCountHook(), runner(2, 'cat', 'dog')
    state = {f'module.{k}': v for k, v in Detector(80).state_dict().items()}
    hook.after_load_checkpoint(run, dict(state_dict=state))
    with pytest.raises(
        CheckpointError, match=r'bbox_head.weight \(80, 2\), not \(2, 2\)'
    ):
        hook.before_test(run)


def test_checkpoint_of_other_classes_may_be_fine_tuned():
    hook, run = ClassCountHook(), runner(2, 'cat', 'dog')
    hook.after_load_checkpoint(run, Detector(80).state_dict())
    hook.before_train(run)
    hook.before_val(run)


def test_fitting_checkpoint():
    hook, run = ClassCountHook(), runner(2, 'cat', 'dog')
    state = dict(Detector(2).state_dict(), surplus=torch.zeros(1))
    hook.after_load_checkpoint(run, state)
    hook.before_test(run)
