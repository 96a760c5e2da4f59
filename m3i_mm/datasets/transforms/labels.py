"""Labels from the fields of a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.transforms import BaseTransform

from m3i_mm.datasets.faults import DataError
from m3i_mm.registry import TRANSFORMS

__all__ = ['LabelName', 'Labels', 'get_field', 'whole_number']


def get_field(results: dict[str, Any], name: str) -> Any:
    """Return a field of a sample.

    Raises:
        KeyError: If it is missing; the message lists those that are there.
    """
    fields = results['fields']
    if name not in fields:
        raise KeyError(
            f'Sample {results["sample_key"]!r} of {results.get("source")} '
            f'has no field {name!r}; it has {sorted(fields)}'
        )
    return fields[name]


def whole_number(value: Any) -> int:
    """Return a label as a number: of 3, 3.0, ``'3'`` and ``'3.0'`` it is 3.

    Raises:
        TypeError, ValueError, OverflowError: If it is no whole number.
    """
    try:
        number = int(value)
    except ValueError:
        value = float(value)
        number = int(value)
    if not isinstance(value, str) and number != value:
        raise ValueError(f'{value!r} is no whole number')
    return number


@TRANSFORMS.register_module()
class Labels(BaseTransform):
    """Take category labels from the fields.

    **Required Keys:** ``fields``, ``sample_key``

    **Added Keys:** the keys of ``fields``: ``gt_label`` (int), others
    LongTensor of shape ()

    Args:
        fields (Mapping[str, str]): The field that each label comes from, e.g.
            ``dict(gt_label='label')``, the default.
        num_classes (Mapping[str, int], optional): The number of classes of a
            label, to check its range.
        classes (Mapping[str, Sequence[str]], optional): Class names, where a
            field holds names instead of numbers.
    """

    def __init__(
        self,
        fields: Mapping[str, str] | None = None,
        num_classes: Mapping[str, int] | None = None,
        classes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.fields = dict(fields or dict(gt_label='label'))
        self.indices = {
            label: {str(name): index for index, name in enumerate(names)}
            for label, names in (classes or {}).items()
        }
        counts = {label: len(names) for label, names in self.indices.items()}
        self.num_classes = {**counts, **(num_classes or {})}

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the labels.

        Raises:
            KeyError: If a field is missing.
            DataError: If a label is out of range or no known class name.
        """
        for label, name in self.fields.items():
            value = self._index(label, get_field(results, name), results)
            count = self.num_classes.get(label)
            if value < 0 or (count is not None and value >= count):
                end = 'inf' if count is None else count
                raise DataError(
                    f'Sample {results["sample_key"]!r}: {label} = {value} '
                    f'(field {name!r}) is out of range [0, {end})'
                )
            keep = label == 'gt_label'
            results[label] = value if keep else torch.tensor(value)
        return results

    def _index(self, label: str, value: Any, results: dict[str, Any]) -> int:
        names = self.indices.get(label)
        try:
            return whole_number(value) if names is None else names[str(value)]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            wanted = 'a number' if names is None else 'a known class name'
            raise DataError(
                f'Sample {results["sample_key"]!r}: {label} = {value!r} '
                f'is not {wanted}'
            ) from error


@TRANSFORMS.register_module()
class LabelName(BaseTransform):
    """Add the name of a class to the fields, for labels as text.

    :class:`~m3i_mm.datasets.transforms.ChooseText` then makes a prompt of it:
    ``templates=['a photo of a {name}.', 'a drawing of a {name}.']``.

    **Required Keys:** ``fields``, ``sample_key``

    **Modified Keys:** ``fields``

    Args:
        classes (str | Sequence[str]): The names by number, or
            ``'imagenet'`` for those of ImageNet-1k that open_clip ships.
        field (str): The field of the number. Defaults to ``'label'``.
        to (str): The field that is added. Defaults to ``'name'``.
    """

    def __init__(
        self,
        classes: str | Sequence[str],
        field: str = 'label',
        to: str = 'name',
    ) -> None:
        super().__init__()
        if classes == 'imagenet':
            from open_clip import IMAGENET_CLASSNAMES

            classes = IMAGENET_CLASSNAMES
        if isinstance(classes, str):
            raise ValueError(
                f"classes is a list of names or 'imagenet', not {classes!r}"
            )
        self.classes = list(classes)
        self.field = field
        self.to = to

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the name.

        Raises:
            ValueError: If it is no number or out of range.
        """
        number = whole_number(get_field(results, self.field))
        if not 0 <= number < len(self.classes):
            raise DataError(
                f'Sample {results["sample_key"]!r}: {self.field} = {number} '
                f'is out of range [0, {len(self.classes)})'
            )
        name = self.classes[number]
        results['fields'] = {**results['fields'], self.to: name}
        return results
