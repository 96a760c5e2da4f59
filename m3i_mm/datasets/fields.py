"""What is known of the images of a batch, stacked once on the host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.nn import functional as F

from .faults import DataError

__all__ = ['TEXT_PADDING', 'AnnotationError', 'Annotations', 'Field']

# the fields that hold texts, and their padding token
TEXT_PADDING = {'text_tokens': 0}


class AnnotationError(DataError):
    """A label, text or other field of a sample that cannot be used."""


@dataclass
class Field:
    """One field of all samples of a batch.

    Attributes:
        values (Tensor): ``(B, ...)``, padding where a sample has none.
        valid (Tensor): Boolean mask ``(B, )`` of the samples that have it.
    """

    values: Tensor
    valid: Tensor

    def to(self, *args: Any, **kwargs: Any) -> Field:
        """Move both tensors, as ``Tensor.to`` does."""
        return Field(
            self.values.to(*args, **kwargs), self.valid.to(*args, **kwargs)
        )


class Annotations(BaseDataElement):
    """The fields of the samples of a batch.

    It stands for the list of data samples: iterating gives the meta
    information of each. MMEngine's preprocessors move data elements to the
    device, of this one ``fields``; ``host`` stays where it is, so that checks
    never wait for the device.

    Args:
        fields (Mapping[str, Field], optional): Stacked fields by name.
        samples (Sequence[dict], optional): Meta information of each sample,
            e.g. ``sample_key`` and ``source``.
        padding (Mapping[str, int], optional): Padding of texts by field.
        host (Mapping[str, Field], optional): ``fields`` on the host. Defaults
            to ``fields``.
    """

    fields: dict[str, Field]
    samples: list[dict[str, Any]]
    padding: dict[str, int]
    host: dict[str, Field]

    def __init__(
        self,
        fields: Mapping[str, Field] | None = None,
        samples: Sequence[dict[str, Any]] = (),
        padding: Mapping[str, int] | None = None,
        host: Mapping[str, Field] | None = None,
    ) -> None:
        super().__init__()
        self.fields = dict(fields or {})
        self.samples = list(samples)
        self.padding = dict(padding or {})
        self.host = self.fields if host is None else dict(host)

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.samples)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the meta information of the samples."""
        return iter(self.samples)

    def to(self, *args: Any, **kwargs: Any) -> Annotations:
        """Move the fields, as ``Tensor.to`` does."""
        moved = {k: v.to(*args, **kwargs) for k, v in self.fields.items()}
        return Annotations(moved, self.samples, self.padding, self.host)

    def pin_memory(self) -> Annotations:
        """Put the fields where a GPU can fetch them by itself."""
        pinned = {
            name: Field(field.values.pin_memory(), field.valid.pin_memory())
            for name, field in self.fields.items()
        }
        return Annotations(pinned, self.samples, self.padding)

    def key(self, row: int) -> str:
        """Return the key of a sample, for error messages."""
        return _key(self.samples[row], row)

    @classmethod
    def stack(
        cls, samples: Iterable[Any], padding: Mapping[str, int] | None = None
    ) -> Annotations:
        """Stack the fields of samples.

        Fields with a padding are texts: they may differ in length, and
        columns that are padding in all samples are left out.

        Args:
            samples (Iterable[DataSample]): B samples.
            padding (Mapping[str, int], optional): Padding token by field.
                Defaults to :data:`TEXT_PADDING`.

        Returns:
            Annotations: All fields of numbers, ``(B, ...)``.

        Raises:
            AnnotationError: If a text is empty, or a field has another shape
                than in the samples before; names the sample.
        """
        padding = TEXT_PADDING if padding is None else padding
        numbers, notes = [], []
        for sample in samples:
            found = dict(sample.items())
            values = {k: v for k, v in found.items() if _is_number(v)}
            others = {k: v for k, v in found.items() if k not in values}
            numbers.append(
                {k: torch.as_tensor(v).detach() for k, v in values.items()}
            )
            notes.append({**dict(sample.metainfo_items()), **others})
        names = sorted({name for values in numbers for name in values})
        fields = {
            name: _stack(
                name,
                [values.get(name) for values in numbers],
                [_key(note, row) for row, note in enumerate(notes)],
                padding.get(name),
            )
            for name in names
        }
        return cls(fields, notes, padding)


def _is_number(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray, Number))


def _key(sample: Mapping[str, Any], row: int) -> str:
    return str(sample.get('sample_key', f'number {row}'))


def _stack(
    name: str,
    values: list[Tensor | None],
    keys: list[str],
    padding: int | None,
) -> Field:
    """Stack one field; samples that lack it get padding."""
    valid = torch.tensor([value is not None for value in values])
    known = [value for value in values if value is not None]
    if padding is not None:
        known = _pad(name, values, keys, padding)
    first = known[0]
    empty = torch.full_like(first, 0 if padding is None else padding)
    rest = iter(known)
    rows = [empty if value is None else next(rest) for value in values]
    for key, row in zip(keys, rows, strict=True):
        if row.shape != first.shape:
            raise AnnotationError(
                f'Sample {key}: {name} has the shape {tuple(row.shape)}, in '
                f'other samples it is {tuple(first.shape)}'
            )
    return Field(torch.stack(rows), valid)


def _pad(
    name: str, values: list[Tensor | None], keys: list[str], padding: int
) -> list[Tensor]:
    """Bring texts to the length of the longest."""
    texts, lengths = [], []
    for key, text in zip(keys, values, strict=True):
        if text is None:
            continue
        tokens = (text.flatten() != padding).nonzero()
        if not len(tokens):
            raise AnnotationError(
                f'Sample {key}: {name} is empty. Leave the field out where '
                'there is no text'
            )
        texts.append(text.flatten())
        lengths.append(int(tokens[-1]) + 1)
    longest = max(lengths)
    return [
        F.pad(text, (0, max(longest - len(text), 0)), value=padding)[:longest]
        for text in texts
    ]
