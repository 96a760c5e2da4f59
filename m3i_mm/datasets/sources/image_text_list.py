"""Lists of pictures and texts: CSV, TSV, JSON lines, Parquet."""

from __future__ import annotations

import os
import os.path as osp
import tarfile
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from m3i_mm.registry import DATASETS

from ..faults import SampleError
from .base import Sample, Source

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


class ImageRoot:
    """A folder or archive that pictures are taken from by path.

    Args:
        root (str): A folder, a ``.zip``, or an uncompressed ``.tar``.

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If it is an archive that cannot be read.
    """

    def __init__(self, root: str) -> None:
        if not osp.exists(root):
            raise FileNotFoundError(f'There is no folder or archive {root!r}')
        self.root = root
        self.is_folder = osp.isdir(root)
        self._members: dict[str, tuple[int, int]] | None = None
        self._archive: tuple[int, Any] | None = None
        try:
            if not self.is_folder and not zipfile.is_zipfile(root):
                self._members = _tar_members(root)
        except (tarfile.TarError, OSError) as error:
            raise ValueError(
                f'{root} is no readable .zip or uncompressed .tar: {error}'
            ) from error

    def locate(self, path: str) -> dict[str, Any]:
        """Return ``img_path``, or ``img_bytes`` from the archive.

        Raises:
            SampleError: If the archive has no such member.
        """
        if self.is_folder:
            return dict(img_path=osp.join(self.root, path))
        try:
            return dict(img_bytes=self._read(path))
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise SampleError(
                'image', path, f'cannot read it in {self.root}: {error}'
            ) from error

    def _read(self, path: str) -> bytes:
        archive = self._open()
        if self._members is None:
            return archive.read(path)
        offset, size = self._members[path]
        archive.seek(offset)
        return archive.read(size)

    def _open(self) -> Any:
        # processes must not share the position in an open file
        if self._archive is None or self._archive[0] != os.getpid():
            opened: Any = (
                zipfile.ZipFile(self.root)
                if self._members is None
                else open(self.root, 'rb')  # noqa: SIM115
            )
            self._archive = os.getpid(), opened
        return self._archive[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), '_archive': None}


def _tar_members(root: str) -> dict[str, tuple[int, int]]:
    with tarfile.open(root, 'r:') as archive:
        return {
            member.name: (member.offset_data, member.size)
            for member in archive
            if member.isreg()
        }
