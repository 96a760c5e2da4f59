"""Data sets of the Hugging Face ``datasets`` library."""

from __future__ import annotations

import os.path as osp
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from m3i_mm.registry import DATASETS

from ..faults import SampleError, as_fault
from .base import Chunk, Sample, Source

__all__ = ['HuggingFaceSource']


@DATASETS.register_module()
class HuggingFaceSource(Source):
    """A data set of the hub, of a folder, or of files, in Arrow or streamed.

    All columns but the picture become fields; the label becomes the field
    ``label`` and the text the field ``text``.

    Args:
        path (str): What ``datasets.load_dataset`` takes (a name on the hub, a
            builder such as ``'imagefolder'`` or ``'parquet'``), or a folder
            written by ``save_to_disk``.
        split (str): Defaults to ``'train'``.
        image (str): The column of pictures. Defaults to ``'image'``.
        text (str, optional): The column of texts.
        label (str, optional): The column of class numbers.
        streaming (bool): Read shards as they are needed instead of preparing
            the data set on disk. Defaults to False.
        samples_per_shard (int, optional): Needed for streaming: the number of
            samples in every shard.
        name (str, optional): How logs and reports call the source.
        **options: Further arguments of ``load_dataset``: ``data_files`` ...

    Raises:
        KeyError: If a column is missing.
        ValueError: If the number of samples of streamed shards is unknown.
        ImportError: If ``datasets`` is not installed.
    """

    def __init__(
        self,
        path: str,
        split: str = 'train',
        image: str = 'image',
        text: str | None = None,
        label: str | None = None,
        streaming: bool = False,
        samples_per_shard: int | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name or path)
        self.image = image
        self.renamed = {text: 'text', label: 'label'}
        self.arguments = path, split, text, label, sorted(options.items())
        self.data = _load(path, split, streaming, options)
        columns = list(self.data.features or [])
        for column in [image, text, label]:
            if column is not None and column not in columns:
                raise KeyError(
                    f'{path} has no column {column!r}; it has {columns}. '
                    'Set image=, text= or label='
                )
        # class labels of the library have names
        self.classes = getattr(
            (self.data.features or {}).get(label), 'names', ()
        )
        self.data = _keep_encoded(self.data, image)
        self.streaming = streaming
        self.random_access = not streaming
        if not streaming:
            self.chunk_sizes = np.array([len(self.data)])
        elif samples_per_shard is None:
            raise ValueError(
                f'Streaming {path} needs samples_per_shard, the number of '
                f'samples in each of its {self.data.num_shards} shards'
            )
        else:
            self.chunk_sizes = np.full(self.data.num_shards, samples_per_shard)

    def identity(self) -> Iterator[Any]:
        """Yield what the library knows of the data, and the columns."""
        yield from super().identity()
        yield self.image, self.arguments
        # of a streamed one there is none
        yield getattr(self.data, '_fingerprint', None)

    def read_chunk(self, chunk: int) -> Chunk:
        """Return the rows of a shard, or all rows where not streamed.

        Raises:
            SampleError: If the shard cannot be read.
        """
        if not self.streaming:
            return _Rows(self, self.data, len(self.data), 0)
        size = int(self.chunk_sizes[chunk])
        shard = self.data.shard(self.data.num_shards, chunk)
        rows = []
        try:
            with as_fault('shard', f'{self.name}[{chunk}]'):
                rows.extend(shard.take(size))
        except SampleError as fault:
            if not rows:
                raise
            return _Rows(self, rows, size, chunk, fault.reason)
        return _Rows(self, rows, size, chunk)

    def parse(self, row: dict[str, Any], key: str) -> Sample:
        """Turn a row into a sample."""
        picture = row[self.image] or {}
        fields = {
            self.renamed.get(column, column): value
            for column, value in row.items()
            if column != self.image
        }
        sample: Sample = dict(sample_key=key, fields=fields)
        if picture.get('bytes') is not None:
            sample['img_bytes'] = picture['bytes']
        elif picture.get('path') is not None:
            sample['img_path'] = picture['path']
        return sample


class _Rows:
    """Rows by number; those that a short shard lacks are faults."""

    def __init__(
        self,
        source: HuggingFaceSource,
        rows: Any,
        size: int,
        chunk: int,
        error: str | None = None,
    ) -> None:
        self.source = source
        self.rows: Sequence[dict[str, Any]] = rows
        self.size = size
        self.chunk = chunk
        self.error = error

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < self.size:
            raise IndexError(index)
        key = f'{self.source.name}[{self.chunk}][{index}]'
        if index >= len(self.rows):
            reason = self.error or f'the shard has {len(self.rows)} samples'
            raise SampleError('missing', key, reason)
        with as_fault('row', key):
            return self.source.parse(self.rows[index], key)


def _load(
    path: str, split: str, streaming: bool, options: dict[str, Any]
) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ImportError(
            f'Reading {path} needs the datasets library: '
            "pip install 'm3i_mm[data]'"
        ) from error
    if osp.isfile(osp.join(path, 'state.json')) or osp.isfile(
        osp.join(path, 'dataset_dict.json')
    ):
        data = datasets.load_from_disk(path)
        return data[split] if isinstance(data, datasets.DatasetDict) else data
    return datasets.load_dataset(
        path, split=split, streaming=streaming, **options
    )


def _keep_encoded(data: Any, image: str) -> Any:
    """Ask for encoded pictures, which the pipeline decodes."""
    import datasets

    return data.cast_column(image, datasets.Image(decode=False))
