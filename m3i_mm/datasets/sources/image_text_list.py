"""Lists of pictures and texts: CSV, TSV, JSON lines, Parquet."""

from __future__ import annotations

import os.path as osp
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from m3i_mm.registry import DATASETS

from ..faults import SampleError, as_fault
from ..texts import written
from .base import Sample, Source
from .image_root import ImageRoot
from .tables import Row, Table, read_table

__all__ = ['ImageTextListSource']


@DATASETS.register_module()
class ImageTextListSource(Source):
    """Pictures with texts from a list.

    All columns become fields; the text becomes the field ``text``. Several
    texts of one picture are a list in one column, or several columns. In CSV
    and TSV texts, paths and dates stay as they are written, ``007`` too; a
    cell of another column that is written like a number is that number.

    A large Parquet file is read by row groups; everything else is reached row
    by row.

    Args:
        path (str): The list; see
            :func:`~m3i_mm.datasets.sources.tables.read_table`.
        root (str): What the paths of pictures are relative to: a folder, or a
            ``.zip`` or ``.tar`` archive. Defaults to the folder of the list.
        image (str): The column of picture paths, or of the encoded pictures
            themselves, as Parquet files have them. Defaults to ``'image'``.
        text (str | Sequence[str]): The column or columns of texts. Defaults
            to ``'text'``.
        label (str, optional): The column of class numbers, which becomes the
            field ``label``.
        column_names (Sequence[str], optional): The columns of a CSV or TSV
            file without a header.
        name (str, optional): How logs and reports call the source.
        table (Table, optional): The rows, where they are not read from
            ``path``.

    Raises:
        FileNotFoundError: If the list or the root does not exist.
        KeyError: If a column is missing.
        ValueError: If the list cannot be read or is empty.
    """

    def __init__(
        self,
        path: str,
        root: str | None = None,
        image: str = 'image',
        text: str | Sequence[str] = 'text',
        label: str | None = None,
        column_names: Sequence[str] | None = None,
        name: str | None = None,
        table: Table | None = None,
    ) -> None:
        super().__init__(name or osp.basename(path))
        self.table = table or read_table(path, column_names)
        self.image = image
        self.texts = [text] if isinstance(text, str) else list(text)
        self.label = label
        self.chunk_sizes = self.table.chunk_sizes
        self.random_access = len(self.chunk_sizes) == 1
        if len(self) == 0:
            raise ValueError(f'The list {path} is empty')
        for column in [image, *self.texts, *([label] if label else [])]:
            if column not in self.table.columns:
                raise KeyError(
                    f'{path} has no column {column!r}; it has '
                    f'{self.table.columns}. Set image=, text= or label='
                )
        self.files = ImageRoot(root or osp.dirname(path) or '.')
        self._starts = np.concatenate([[0], self.chunk_sizes.cumsum()])

    def identity(self) -> Iterator[Any]:
        """Yield the content of the list, the columns and the root."""
        yield from super().identity()
        yield self.image, self.texts, self.label, self.table.columns
        yield osp.abspath(self.files.root)
        yield self.table.digest()

    def read_chunk(self, chunk: int) -> _Samples:
        """Return the samples of all rows, or of a row group of Parquet."""
        rows = self.table.read_chunk(chunk)
        return _Samples(self, rows, int(self._starts[chunk]))

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        chunk = int(np.searchsorted(self._starts, index, side='right')) - 1
        return self.read_chunk(chunk)[index - int(self._starts[chunk])]

    def parse(self, row: Row, index: int) -> Sample:
        """Turn a row of the list into a sample.

        Args:
            row (dict): The row by column.
            index (int): Its number.

        Raises:
            SampleError: If it has no picture.
        """
        fields = dict(row)
        path, content = _path_or_content(fields.pop(self.image, None))
        key = f'{index}:{path}'
        if content is None and not path:
            reason = f'the column {self.image!r} holds no path'
            raise SampleError('image', key, reason)
        with as_fault('text', key):
            texts = [written(fields.pop(name, None)) for name in self.texts]
        label = fields.pop(self.label, None) if self.label else None
        if not self.table.typed:
            fields = {k: _number(v) for k, v in fields.items()}
            label = _number(label)
        # an empty cell is no text; ChooseText says so where one is needed
        fields['text'] = (
            texts[0] if len(texts) == 1 else [*filter(None, texts)]
        )
        if self.label:
            fields['label'] = label
        sample: Sample = dict(sample_key=key, fields=fields)
        if content is not None:
            return {**sample, 'img_bytes': content}
        return {**sample, **self.files.locate(path)}


class _Samples:
    """Samples of some rows, by number."""

    def __init__(
        self, source: ImageTextListSource, rows: Sequence[Row], first: int
    ) -> None:
        self.source = source
        self.rows = rows
        self.first = first

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int, /) -> Sample:
        return self.source.parse(self.rows[index], self.first + index)


def _path_or_content(value: Any) -> tuple[str, bytes | None]:
    """Tell the path of a picture from the picture itself.

    Parquet files hold either, those of Hugging Face ``bytes`` and ``path``.
    """
    content = None
    if isinstance(value, dict):
        content, value = value.get('bytes'), value.get('path')
    elif isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            content, value = value, None
    path = written(value)
    return path if isinstance(path, str) else '', content


def _number(cell: str | None) -> str | int | float | None:
    """Return a cell as the number that is written like it, if there is one."""
    for kind in (int, float):
        try:
            # no `inf`
            if cell and cell[-1].isdigit() and str(kind(cell)) == cell:
                return kind(cell)
        except ValueError:
            continue
    return cell
