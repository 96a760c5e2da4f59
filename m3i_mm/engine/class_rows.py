"""Keep what a head knows of the classes that two data sets share.

A detector goes from Objects365 to COCO to LVIS, a segmentor from COCO-Stuff to
ADE20K. Each layer that scores classes has a row for each of them; the rows of
classes that both sets have are taken over by name, the others start anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.registry import DATASETS
from torch import Tensor

from m3i_mm.checkpoints.fitting import Fit
from m3i_mm.checkpoints.released import find_released
from m3i_mm.datasets.classes import find_same, name_some

__all__ = ['classes_of', 'keep_class_rows']

# layers with rows of classes in MMPretrain, MMDetection and MMSegmentation
CLASS_LAYERS = re.compile(
    r'(^|\.)(cls_branches\.\d+|fc_cls|fc_reg|conv_logits|conv_seg|cls_embed'
    r'|label_embedding|head\.fc)\.'
)
# rows of a class where each has a box of its own
BOX = 4


def classes_of(checkpoint: dict[str, Any], source: str) -> Iterator[list[str]]:
    """Yield the lists of classes that a file may have been trained on.

    Args:
        checkpoint (dict): Its content: MMEngine's, or MMCV 1's.
        source (str): Its path or name. What the released files of Objects365
            keep of the classes is known.
    """
    meta = checkpoint.get('meta') or {}
    facts = meta.get('dataset_meta') or {}
    for names in (facts.get('classes'), meta.get('CLASSES')):
        if names:
            yield list(names)
    released = find_released(source)
    if released is not None and released.classes:
        dataset: Any = DATASETS.get(released.classes)
        yield list(dataset.METAINFO['classes'])


def keep_class_rows(
    fit: Fit, old_lists: Iterator[list[str]], new: Sequence[str] | None
) -> tuple[dict[str, Tensor], str]:
    """Take the rows of shared classes over by name.

    Args:
        fit (Fit): Of the file and the model.
        old_lists (Iterator[list[str]]): The lists of classes that the file
            may have; the first that fits its layers holds.
        new (Sequence[str], optional): The classes of the training.

    Returns:
        tuple: The layers that have to be replaced, by name, and what was done
        in words; nothing if the classes are the same or unknown.
    """
    names = [
        name
        for name in (*fit.comparison.matched, *fit.comparison.unequal)
        if CLASS_LAYERS.search(name)
    ]
    if not new:
        return {}, ''
    for old in old_lists:
        fitting = {
            name: layout
            for name in names
            if (layout := _layout(fit, name, len(old), len(new)))
        }
        if not fitting:
            continue
        same = find_same(old, new)
        # the same classes, or names of another kind, of which nothing is known
        if same == list(range(len(old))) or not any(
            number is not None for number in same
        ):
            return {}, ''
        rows = {
            name: _rows(fit.own[name], fit.tensors[name], same, *layout)
            for name, layout in fitting.items()
        }
        return rows, _describe(list(new), same)
    return {}, ''


def _layout(
    fit: Fit, name: str, num_old: int, num_new: int
) -> tuple[int, int] | None:
    """Rows of a class, and rows at the end for what is no class."""
    wanted, given = fit.comparison.wanted[name], fit.comparison.given[name]
    if not wanted or wanted[1:] != given[1:]:
        return None
    for each, extra in ((1, 0), (1, 1), (BOX, 0)):
        if (given[0], wanted[0]) == (
            each * num_old + extra,
            each * num_new + extra,
        ):
            return each, extra
    return None


def _rows(
    own: Tensor,
    given: Tensor,
    same: Sequence[int | None],
    each: int,
    extra: int,
) -> Tensor:
    result = own.detach().clone()
    given = given.to(result)
    for new, old in enumerate(same):
        if old is not None:
            target = result[new * each : (new + 1) * each]
            target.copy_(given[old * each : (old + 1) * each])
    if extra:
        result[-extra:] = given[-extra:]
    return result


def _describe(new: list[str], same: Sequence[int | None]) -> str:
    lost = [name for name, old in zip(new, same, strict=True) if old is None]
    said = f'{len(new) - len(lost)} of {len(new)} classes keep their rows'
    return f'{said}; anew: {name_some(lost)}' if lost else said
