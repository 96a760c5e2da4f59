"""Rows of text files: CSV, TSV and JSON lines.

Of a file the place of every 32nd row is kept, 25 MB for a hundred million
rows. A row is read together with its neighbours when it is asked for.
"""

from __future__ import annotations

import csv
import io
import json
import os
import os.path as osp
import weakref
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO

import numpy as np

from ..faults import SampleError, as_fault
from .tables import Row, Table, file_digest

__all__ = ['DelimitedTable', 'JsonLinesTable']

STEP = 32  # rows that are read together
BLOCK = 2**24  # bytes that are searched for line ends at a time
BOM = b'\xef\xbb\xbf'
# how programs write a cell that holds nothing
ABSENT = {'', '\\N', 'NULL', 'null', 'None', 'NaN', 'nan', 'NaT', '<NA>'}


class _TextTable(Table):
    """Rows of a text file in UTF-8.

    Args:
        path (str): The file.

    Raises:
        ValueError: If it cannot be read; the line is named.
    """

    count: int

    def __init__(self, path: str) -> None:
        self.path = path
        self._last: tuple[int, list[Any]] = -1, []
        with open(path, 'rb') as file:
            self._check_encoding(file.read(4096))
            file.seek(0)
            file.seek(len(BOM) if file.read(3) == BOM else 0)
            places = np.fromiter(self._find_rows(file), np.int64)
        # (num_spans + 1,) where each span of rows begins, and the end
        self.starts = np.append(places, osp.getsize(path))
        self.chunk_sizes = np.array([self.count])
        self._open()

    @abstractmethod
    def _find_rows(self, file: BinaryIO) -> Iterator[int]:
        """Yield the place of every ``STEP``-th row; set ``count``."""

    @abstractmethod
    def _split(self, lines: Iterable[str]) -> list[Any]:
        """Return the rows of consecutive lines."""

    @abstractmethod
    def _parse(self, row: Any) -> Row:
        """Return a row by column."""

    def read_chunk(self, chunk: int) -> Sequence[Row]:
        """Return the table itself: its rows are reached one by one."""
        return self  # type: ignore[return-value]

    def digest(self) -> bytes:
        """Return a hash of the file."""
        return file_digest(self.path)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> Row:
        if not 0 <= index < self.count:
            raise IndexError(index)
        span, offset = divmod(index, STEP)
        with as_fault('list', f'{self.path}[{index}]'):
            if self._last[0] != span:
                lines = io.StringIO(self._read(span), newline='\n')
                self._last = span, self._split(lines)
            return self._parse(self._last[1][offset])

    def _read(self, span: int) -> str:
        begin, end = self.starts[span : span + 2].tolist()
        # unlike a mapped file, one that was cut meanwhile ends no process
        content = os.pread(self._file, end - begin, begin)
        if len(content) < end - begin:
            raise EOFError('the file is shorter than it was')
        return content.decode()

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), '_file': None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()

    def _check_encoding(self, head: bytes) -> None:
        if head[:2] in (b'\xff\xfe', b'\xfe\xff') or b'\0' in head:
            raise ValueError(
                f'{self.path} is not in UTF-8 but in UTF-16 or no text at '
                'all: save it as UTF-8'
            )
        if b'\r' in head and b'\n' not in head:
            raise ValueError(
                f'{self.path} ends its lines with carriage returns alone: '
                'save it with line feeds'
            )

    def _decode(self, raw: bytes, line: int) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise self._error(
                line + raw.count(b'\n', 0, error.start),
                f'byte 0x{raw[error.start]:02x} is not UTF-8; save the file '
                'as UTF-8 (is it in Latin-1 or Windows-1252?)',
            ) from None

    def _error(self, line: int, reason: str) -> ValueError:
        return ValueError(f'{self.path}, line {line}: {reason}')

    def _find_lines(
        self, file: BinaryIO, line: int, delimiter: bytes = b'', width: int = 1
    ) -> Iterator[int]:
        """Find rows that are lines, in blocks.

        Args:
            file (BinaryIO): The file, at its first row.
            line (int): The number of the line there.
            delimiter (bytes): What separates the cells.
            width (int): The cells that every row has.
        """
        self.count = 0
        place, rest = file.tell(), b''
        while block := file.read(BLOCK):
            whole, end, rest = (rest + block).rpartition(b'\n')
            block = whole + end
            yield from self._places(block, place, line, delimiter, width)
            place, line = place + len(block), line + block.count(b'\n')
        yield from self._places(rest + b'\n', place, line, delimiter, width)

    def _places(
        self, block: bytes, place: int, line: int, delimiter: bytes, width: int
    ) -> Iterator[int]:
        if not block.isascii():
            self._decode(block, line)
        values = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(values == ord('\n'))
        starts = np.concatenate([[0], ends + 1])[: len(ends)]
        # a blank line is no row
        filled = ends - starts > (values[ends - 1] == ord('\r'))
        if delimiter:
            marks = np.flatnonzero(values == ord(delimiter))
            before = np.searchsorted(marks, np.append(starts, len(values)))
            cells = np.diff(before) + 1
            wrong = np.flatnonzero(filled & (cells != width))
            if len(wrong):
                raise self._error(
                    line + int(wrong[0]),
                    f'{cells[wrong[0]]} cells, expected {width}',
                )
        rows = starts[filled]
        yield from (place + rows[-self.count % STEP :: STEP]).tolist()
        self.count += len(rows)


class DelimitedTable(_TextTable):
    """CSV or TSV.

    Args:
        path (str): The file.
        delimiter (str): What separates the cells.
        column_names (Sequence[str], optional): The columns, where the first
            line is no header.
        quoted (bool): Whether a cell in quotation marks may hold delimiters
            and line ends.

    Raises:
        ValueError: If it cannot be read; the line is named.
    """

    typed = False

    def __init__(
        self,
        path: str,
        delimiter: str,
        column_names: Sequence[str] | None,
        quoted: bool,
    ) -> None:
        self.delimiter = delimiter
        self.quoted = quoted
        self.columns = list(column_names or [])
        super().__init__(path)

    def _find_rows(self, file: BinaryIO) -> Iterator[int]:
        line = 1
        if not self.columns:
            header = self._decode(file.readline(), 1)
            self.columns = next(iter(self._split([header])), [])
            line = 2
        if len(set(self.columns)) < len(self.columns):
            raise self._error(1, f'columns of one name: {self.columns}')
        width = len(self.columns)
        others = [c for c in ',;\t|' if width == 1 and c in self.columns[0]]
        if others:
            raise self._error(
                1,
                f'one column, {self.columns[0]!r}: is it separated by '
                f'{others[0]!r} instead of {self.delimiter!r}? Save it with '
                'those, or name the columns by column_names',
            )
        if self.quoted:
            return self._find_quoted(file, line, width)
        return self._find_lines(file, line, self.delimiter.encode(), width)

    def _find_quoted(
        self, file: BinaryIO, line: int, width: int
    ) -> Iterator[int]:
        """Find rows that may be several lines."""
        self.count = 0
        place = end = file.tell()

        def take() -> Iterator[str]:
            nonlocal end, line
            for raw in file:
                text = self._decode(raw, line)
                end += len(raw)
                line += 1
                yield text

        lines = take()
        for text in lines:
            first = line - 1
            cells = text.count(self.delimiter) + 1
            if '"' in text or '\r' in text[:-2]:
                try:
                    cells = len(next(self._reader(chain([text], lines))))
                except csv.Error as error:
                    raise self._error(first, str(error)) from error
            if text.strip('\r\n'):
                if cells != width:
                    reason = f'{cells} cells, expected {width}'
                    raise self._error(first, reason)
                if self.count % STEP == 0:
                    yield place
                self.count += 1
            place = end

    def _reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self.delimiter, strict=True)

    def _split(self, lines: Iterable[str]) -> list[list[str]]:
        if self.quoted:
            return [row for row in self._reader(lines) if row]
        stripped = (line.rstrip('\r\n') for line in lines)
        return [line.split(self.delimiter) for line in stripped if line]

    def _parse(self, row: list[str]) -> Row:
        cells = (None if cell in ABSENT else cell for cell in row)
        return dict(zip(self.columns, cells, strict=True))


class JsonLinesTable(_TextTable):
    """One JSON object in a line.

    The columns are those of the first rows; others may have more or fewer.

    Args:
        path (str): The file.

    Raises:
        ValueError: If it cannot be read.
    """

    # rows that are looked at for columns
    FIRST = 1000

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.columns = []
        try:
            rows = [self[i] for i in range(min(self.count, 1))]
        except SampleError as fault:
            raise self._error(1, f'no JSON object: {fault.reason}') from fault
        for index in range(1, min(self.count, self.FIRST)):
            try:
                rows.append(self[index])
            except SampleError:
                continue  # counted when it is read
        self.columns = list(dict.fromkeys(chain(*rows)))

    def _find_rows(self, file: BinaryIO) -> Iterator[int]:
        return self._find_lines(file, 1)

    def _split(self, lines: Iterable[str]) -> list[str]:
        return [line for line in lines if line.rstrip('\r\n')]

    def _parse(self, row: str) -> Row:
        fields = json.loads(row)
        if not isinstance(fields, dict):
            raise ValueError(f'expected an object, got {type(fields)}')
        return fields
