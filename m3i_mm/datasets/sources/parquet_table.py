"""Rows of Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..faults import as_fault
from .tables import Row, Table, file_digest

if TYPE_CHECKING:
    import pyarrow

__all__ = ['ParquetTable']

# a file of less than this, in bytes, is one chunk
SMALL = 2**28


class ParquetTable(Table):
    """Rows of a Parquet file, whose row groups are the chunks.

    A small file is one chunk.

    Args:
        path (str): The file.

    Raises:
        ValueError: If it cannot be read.
        ImportError: If PyArrow is not installed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise ImportError(
                f"Reading {path} needs PyArrow: pip install 'm3i_mm[data]'"
            ) from error
        try:
            with parquet.ParquetFile(path) as file:
                self.columns = file.schema_arrow.names
                groups = [
                    file.metadata.row_group(number)
                    for number in range(file.num_row_groups)
                ]
        except pyarrow.ArrowException as error:
            raise ValueError(
                f'Cannot read the list {path}: {error}'
            ) from error
        # (num_chunks,) the row groups of each chunk
        self.groups = [[number] for number in range(len(groups))]
        sizes = [group.num_rows for group in groups]
        if sum(group.total_byte_size for group in groups) < SMALL:
            self.groups, sizes = [list(range(len(groups)))], [sum(sizes)]
        self.chunk_sizes = np.array(sizes, dtype=np.int64)

    def read_chunk(self, chunk: int) -> Sequence[Row]:
        """Read the rows of a chunk; see :meth:`Table.read_chunk`."""
        from pyarrow import parquet

        with (
            as_fault('list', f'{self.path}[{chunk}]'),
            parquet.ParquetFile(self.path) as file,
        ):
            rows = file.read_row_groups(self.groups[chunk])
            return _ArrowRows(rows.combine_chunks())

    def digest(self) -> bytes:
        """Return a hash of the file."""
        return file_digest(self.path)


class _ArrowRows(Sequence[Row]):
    def __init__(self, table: pyarrow.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        with as_fault('list', f'row {index}'):
            (row,) = self.table.slice(index, 1).to_pylist()
            return row
