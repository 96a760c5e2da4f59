"""The frozen features of one data set, with the fields of its samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ['FeatureTable', 'FieldError', 'common_labels']

Column = Tensor | list[Any]


class FieldError(LookupError):
    """A metric asks for a field that the samples of a set do not have."""


class FeatureTable:
    """Columns of equal length, one row for each sample of a data set.

    Numbers and vectors are tensors of shape (N,) and (N, C), everything else
    (names, captions) is a list of N objects. Model outputs and annotations are
    columns alike: ``feature``, ``image_embedding``, ``group``, ``sample_key``.

    Args:
        columns (dict): The columns by name.
        missing (dict): For fields that only some samples have, how many lack
            it. Such a field is no column.
        name (str): Name of the data set, for messages.

    Raises:
        ValueError: If columns differ in length.
    """

    def __init__(
        self,
        columns: dict[str, Column],
        missing: dict[str, int] | None = None,
        name: str = '',
    ) -> None:
        lengths = {key: len(column) for key, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f'Columns of different lengths: {lengths}')
        self.columns = columns
        self.missing = missing or {}
        self.name = name

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def __contains__(self, key: str) -> bool:
        return key in self.columns

    def __getitem__(self, key: str) -> Column:
        if key in self.columns:
            return self.columns[key]
        if key in self.missing:
            raise FieldError(
                f'{self.missing[key]} of the {len(self)} samples of the set '
                f'{self.name!r} have no field {key!r}. Leave them out of the '
                'set, or evaluate another field.'
            )
        raise FieldError(
            f'The samples of the set {self.name!r} have no field {key!r}; '
            f'they have: {", ".join(sorted(self.columns))}. Annotations '
            'become fields when the pipeline packs them into the DataSample.'
        )

    def features(self, key: str, device: torch.device | str) -> Tensor:
        """Return a column of vectors for computing.

        Args:
            key (str): Name of the column.
            device (torch.device | str): Where to put it.

        Returns:
            Tensor: Vectors, (N, C), float32.

        Raises:
            FieldError: If there is no such column of vectors.
            ValueError: If a value is not finite.
        """
        column = self[key]
        if not isinstance(column, Tensor) or column.ndim != 2:
            raise FieldError(
                f'The field {key!r} of the set {self.name!r} does not hold '
                'one vector for each sample.'
            )
        column = column.to(device, torch.float32)
        if not column.isfinite().all():
            raise ValueError(
                f'The field {key!r} of the set {self.name!r} has values that '
                'are not finite: the model has diverged.'
            )
        return column

    def select(self, rows: Tensor) -> FeatureTable:
        """Return the table of some rows.

        Args:
            rows (Tensor): Row numbers (M,), long.

        Returns:
            FeatureTable: These rows in this order.
        """
        picked: dict[str, Column] = {}
        for key, column in self.columns.items():
            if isinstance(column, Tensor):
                picked[key] = column[rows]
            else:
                picked[key] = [column[row] for row in rows.tolist()]
        return FeatureTable(picked, self.missing, self.name)

    @classmethod
    def from_records(
        cls, records: Sequence[dict[str, Any]], name: str = ''
    ) -> FeatureTable:
        """Turn one dictionary per sample into columns.

        Args:
            records (Sequence[dict]): The fields of each sample.
            name (str): Name of the data set.

        Returns:
            FeatureTable: The columns; tensors are copied to the CPU.
        """
        counts = Counter(key for record in records for key in record)
        columns = {
            key: _stack([record[key] for record in records])
            for key, count in counts.items()
            if count == len(records)
        }
        missing = {
            key: len(records) - count
            for key, count in counts.items()
            if count < len(records)
        }
        return cls(columns, missing, name)

    @classmethod
    def concat(
        cls, tables: Sequence[FeatureTable], name: str = ''
    ) -> FeatureTable:
        """Join tables row after row.

        Args:
            tables (Sequence[FeatureTable]): Tables of the same set.
            name (str): Name of the data set.

        Returns:
            FeatureTable: All rows. A field that some tables lack is counted
            as missing.
        """
        tables = [table for table in tables if len(table)]
        keys = {key for table in tables for key in table.columns}
        keys |= {key for table in tables for key in table.missing}
        columns: dict[str, Column] = {}
        missing: dict[str, int] = {}
        for key in sorted(keys):
            lacking = sum(
                table.missing.get(key, len(table))
                for table in tables
                if key not in table
            )
            if lacking:
                missing[key] = lacking
            else:
                columns[key] = _join([table.columns[key] for table in tables])
        return cls(columns, missing, name)


def common_labels(*columns: Column) -> tuple[list[Tensor], int]:
    """Number the distinct values of several columns alike.

    Args:
        *columns (Tensor | list): Class ids or names, of one set each.

    Returns:
        tuple: For each column the class numbers (N,), in the sorted order of
        the values, and the number of distinct values.
    """
    arrays = [np.asarray(column) for column in columns]
    values, numbers = np.unique(np.concatenate(arrays), return_inverse=True)
    ends = np.cumsum([len(array) for array in arrays])[:-1]
    parts = np.split(numbers, ends)
    return [torch.from_numpy(part) for part in parts], len(values)


def _stack(values: list[Any]) -> Column:
    """Stack equal tensors and numbers; keep anything else as a list."""
    if all(isinstance(value, Number) for value in values):
        return torch.tensor(values)
    shapes = {
        value.shape if isinstance(value, Tensor) else None for value in values
    }
    if None in shapes or len(shapes) > 1:
        return values
    column = torch.stack([value.detach().cpu() for value in values])
    # MMPretrain holds a single label as a tensor of one element
    return column[:, 0] if column.shape[1:] == (1,) else column


def _join(columns: Iterable[Column]) -> Column:
    columns = list(columns)
    tensors = [column for column in columns if isinstance(column, Tensor)]
    shapes = {tensor.shape[1:] for tensor in tensors}
    if len(tensors) == len(columns) and len(shapes) == 1:
        return torch.cat(tensors)
    return [value for column in columns for value in column]
