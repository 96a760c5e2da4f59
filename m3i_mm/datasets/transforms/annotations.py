"""Labels and texts from the fields of a sample."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from m3i_mm.registry import TRANSFORMS

from ..tokenizers import Tokenizer, build_tokenizer

__all__ = ['ChooseText', 'Labels', 'Tokenize']


def _field(results: dict[str, Any], name: str) -> Any:
    fields = results['fields']
    if name not in fields:
        raise KeyError(
            f'Sample {results["sample_key"]!r} of {results.get("source")} '
            f'has no field {name!r}; it has {sorted(fields)}'
        )
    return fields[name]


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
            label: {name: index for index, name in enumerate(names)}
            for label, names in (classes or {}).items()
        }
        counts = {label: len(names) for label, names in self.indices.items()}
        self.num_classes = {**counts, **(num_classes or {})}

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the labels.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a label is out of range or no known class name.
        """
        for label, name in self.fields.items():
            value = self._index(label, _field(results, name), results)
            count = self.num_classes.get(label)
            if value < 0 or (count is not None and value >= count):
                end = 'inf' if count is None else count
                raise ValueError(
                    f'Sample {results["sample_key"]!r}: {label} = {value} '
                    f'(field {name!r}) is out of range [0, {end})'
                )
            keep = label == 'gt_label'
            results[label] = value if keep else torch.tensor(value)
        return results

    def _index(self, label: str, value: Any, results: dict[str, Any]) -> int:
        names = self.indices.get(label)
        try:
            return int(value) if names is None else names[value]
        except (KeyError, TypeError, ValueError) as error:
            wanted = 'a number' if names is None else 'a known class name'
            raise ValueError(
                f'Sample {results["sample_key"]!r}: {label} = {value!r} '
                f'is not {wanted}'
            ) from error


@TRANSFORMS.register_module()
class ChooseText(BaseTransform):
    """Compose the text of a sample from its fields.

    **Required Keys:** ``fields``, ``sample_key``

    **Added Keys:** ``text`` (str)

    Args:
        templates (str | Sequence[str]): Format strings over the fields, e.g.
            ``'a photo of {name}; {keywords}'``; one is drawn at random.
            Defaults to ``'{text}'``.
        pick (Sequence[str]): Fields of which, where they hold a list, one
            entry is drawn: several captions of one picture. Entries of other
            lists are joined by commas. Defaults to ``('text',)``.
    """

    def __init__(
        self,
        templates: str | Sequence[str] = '{text}',
        pick: Sequence[str] = ('text',),
    ) -> None:
        super().__init__()
        self.templates = (
            [templates] if isinstance(templates, str) else list(templates)
        )
        self.pick = set(pick)
        self.names = [
            [name for _, name, _, _ in string.Formatter().parse(template)]
            for template in self.templates
        ]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the text.

        Raises:
            KeyError: If a field is missing.
            ValueError: If the text is empty.
        """
        which = 0
        if len(self.templates) > 1:
            which = np.random.randint(len(self.templates))
        values = {
            name: self._value(name, _field(results, name))
            for name in self.names[which]
            if name
        }
        text = self.templates[which].format(**values).strip()
        if not text or (values and not any(map(str, values.values()))):
            raise ValueError(
                f'The text of sample {results["sample_key"]!r} is empty '
                f'(fields {sorted(values)})'
            )
        results['text'] = text
        return results

    def _value(self, name: str, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        if name in self.pick:
            return value[np.random.randint(len(value))] if value else ''
        return ', '.join(map(str, value))


@TRANSFORMS.register_module()
class Tokenize(BaseTransform):
    """Turn ``text`` into token numbers.

    **Required Keys:** ``text``, ``sample_key``

    **Added Keys:** ``text_tokens``, LongTensor (L,), padded with zeros

    Args:
        tokenizer (str | dict): See
            :func:`~m3i_mm.datasets.tokenizers.build_tokenizer`. Defaults to
            ``'clip'``.
    """

    def __init__(self, tokenizer: str | dict = 'clip') -> None:
        super().__init__()
        self.tokenizer: Tokenizer = build_tokenizer(tokenizer)
        # texts come back every epoch
        self._encode = lru_cache(maxsize=2**16)(self.tokenizer)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the tokens.

        Raises:
            ValueError: If the text is empty.
        """
        text = results['text'].strip()
        if not text:
            raise ValueError(
                f'The text of sample {results["sample_key"]!r} is empty'
            )
        results['text_tokens'] = self._encode(text)
        return results

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != '_encode'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._encode = lru_cache(maxsize=2**16)(self.tokenizer)
