"""Lists of pictures and texts: CSV, TSV, JSON lines, Parquet."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from m3i_mm.registry import DATASETS

from .base import Sample, Source
from .image_root import ImageRoot

if TYPE_CHECKING:
    import pyarrow

__all__ = ['ImageTextListSource', 'read_table']


def read_table(
    path: str, column_names: Sequence[str] | None = None
) -> pyarrow.Table:
    """Read a list.

    Args:
        path (str): ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``.
        column_names (Sequence[str], optional): The columns of a CSV or TSV
            file without a header.

    Returns:
        pyarrow.Table: Its rows.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of no known kind or cannot be read.
        ImportError: If PyArrow is not installed.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'There is no list {path!r}')
    try:
        import pyarrow
        from pyarrow import csv, json, parquet
    except ImportError as error:
        raise ImportError(
            f"Reading {path} needs PyArrow: pip install 'm3i_mm[data]'"
        ) from error
    suffix = osp.splitext(path)[1].lower()
    try:
        if suffix in ('.csv', '.tsv'):
            tab = '\t' if suffix == '.tsv' else ','
            return csv.read_csv(
                path,
                read_options=csv.ReadOptions(column_names=column_names),
                parse_options=csv.ParseOptions(
                    delimiter=tab, newlines_in_values=True
                ),
            )
        if suffix in ('.jsonl', '.json'):
            return json.read_json(path)
        if suffix == '.parquet':
            return parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f'Cannot read the list {path}: {error}') from error
    raise ValueError(
        f'{path} is no .csv, .tsv, .jsonl or .parquet file: rename it'
    )


@DATASETS.register_module()
class ImageTextListSource(Source):
    """Pictures with texts from a list.

    All columns become fields; the text becomes the field ``text``. Several
    texts of one picture are a list in one column, or several columns.

    Args:
        path (str): The list; see :func:`read_table`.
        root (str): What the paths of pictures are relative to: a folder, or a
            ``.zip`` or ``.tar`` archive. Defaults to the folder of the list.
        image (str): The column of picture paths. Defaults to ``'image'``.
        text (str | Sequence[str]): The column or columns of texts. Defaults
            to ``'text'``.
        label (str, optional): The column of class numbers, which becomes the
            field ``label``.
        column_names (Sequence[str], optional): The columns of a CSV or TSV
            file without a header.
        name (str, optional): How logs and reports call the source.

    Raises:
        FileNotFoundError: If the list or the root does not exist.
        KeyError: If a column is missing.
        ValueError: If the list cannot be read or is empty.
    """

    random_access = True

    def __init__(
        self,
        path: str,
        root: str | None = None,
        image: str = 'image',
        text: str | Sequence[str] = 'text',
        label: str | None = None,
        column_names: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name or osp.basename(path))
        self.table = read_table(path, column_names)
        self.image = image
        self.texts = [text] if isinstance(text, str) else list(text)
        self.label = label
        for column in [image, *self.texts, *([label] if label else [])]:
            if column not in self.table.column_names:
                raise KeyError(
                    f'{path} has no column {column!r}; it has '
                    f'{self.table.column_names}. Set image=, text= or label='
                )
        if len(self.table) == 0:
            raise ValueError(f'The list {path} is empty')
        self.files = ImageRoot(root or osp.dirname(path) or '.')
        self.chunk_sizes = np.array([len(self.table)])

    def read_chunk(self, chunk: int) -> ImageTextListSource:
        """Return the source itself: its rows are reached one by one."""
        return self

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        (fields,) = self.table.slice(index, 1).to_pylist()
        path = str(fields.pop(self.image))
        texts = [fields.pop(name) for name in self.texts]
        # an empty cell is no text; ChooseText says so where one is needed
        texts = ['' if text is None else text for text in texts]
        fields['text'] = texts[0] if len(texts) == 1 else texts
        if self.label:
            fields['label'] = fields.pop(self.label)
        sample: Sample = dict(sample_key=f'{index}:{path}', fields=fields)
        return {**sample, **self.files.locate(path)}
