"""ClassCountHook: classes of data and heads agree."""

from types import SimpleNamespace

import pytest
from torch import nn

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
