"""Rows of lists, of which only a few have to be in memory at a time."""

from __future__ import annotations

import hashlib
import json
import os.path as osp
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

__all__ = ['Row', 'RowTable', 'Table', 'file_digest', 'read_table']

Row = dict[str, Any]


class Table(ABC):
    """Rows in chunks.

    Attributes:
        columns (list[str]): The names of the columns, in order.
        chunk_sizes (np.ndarray): The rows of each chunk, (num_chunks,).
        typed (bool): Whether values have the types that the file gives them;
            else all are texts, or None where a cell holds nothing.
    """

    columns: list[str]
    chunk_sizes: np.ndarray
    typed: bool = True

    @abstractmethod
    def read_chunk(self, chunk: int) -> Sequence[Row]:
        """Return the rows of a chunk.

        Raises:
            SampleError: If it cannot be read; taking a row may raise it, too.
        """

    @abstractmethod
    def digest(self) -> bytes:
        """Return a hash of all rows."""


def file_digest(path: str) -> bytes:
    """Return a hash of the content of a file."""
    digest = hashlib.blake2b()
    with open(path, 'rb') as file:
        while block := file.read(2**24):
            digest.update(block)
    return digest.digest()


class RowTable(Table):
    """Rows in memory.

    Args:
        rows (Iterable[dict]): The rows.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)
        self.columns = list(dict.fromkeys(chain(*self.rows)))
        self.chunk_sizes = np.array([len(self.rows)])

    def read_chunk(self, chunk: int) -> Sequence[Row]:
        """Return all rows."""
        return self.rows

    def digest(self) -> bytes:
        """Return a hash of all rows."""
        return hashlib.blake2b(repr(self.rows).encode()).digest()


def read_table(path: str, column_names: Sequence[str] | None = None) -> Table:
    """Open a list.

    Args:
        path (str): ``.csv`` (quoted as RFC 4180 says), ``.tsv`` (nothing is
            quoted, as in the lists of the web, unless the header is),
            ``.jsonl``, ``.json`` (lines, or one array) or ``.parquet``. Texts
            are in UTF-8.
        column_names (Sequence[str], optional): The columns of a CSV or TSV
            file without a header.

    Returns:
        Table: Its rows.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of no known kind or cannot be read; the line is
            named.
        ImportError: If it is a Parquet file and PyArrow is not installed.
    """
    from .parquet_table import ParquetTable
    from .text_tables import DelimitedTable, JsonLinesTable

    if not osp.isfile(path):
        raise FileNotFoundError(f'There is no list {path!r}')
    suffix = osp.splitext(path)[1].lower()
    if suffix == '.csv':
        return DelimitedTable(path, ',', column_names, quoted=True)
    if suffix == '.tsv':
        # some programs quote everything; the lists of the web quote nothing
        quoted = column_names is None and _first_character(path) == '"'
        return DelimitedTable(path, '\t', column_names, quoted)
    if suffix in ('.jsonl', '.json'):
        if _first_character(path) == '[':
            return RowTable(_read_array(path))
        return JsonLinesTable(path)
    if suffix == '.parquet':
        return ParquetTable(path)
    raise ValueError(
        f'{path} is no .csv, .tsv, .jsonl, .json or .parquet file: rename it'
    )


def _first_character(path: str) -> str:
    with open(path, encoding='utf-8-sig', errors='replace') as file:
        return file.read(1000).lstrip()[:1]


def _read_array(path: str) -> list[Row]:
    try:
        with open(path, encoding='utf-8-sig') as file:
            rows = json.load(file)
    # a hostile file nests deeper than the interpreter can follow
    except (ValueError, RecursionError) as error:
        raise ValueError(f'Cannot read the list {path}: {error}') from error
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(
                f'{path}: entry {number} is a {type(row).__name__}, expected '
                'an object with the columns of the row'
            )
    return rows
