"""WebDataset shards: tar archives in which files of one stem are a sample."""

from __future__ import annotations

import json
import os
import os.path as osp
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

import fsspec
import numpy as np
from webdataset.gopen import gopen
from webdataset.tariterators import (
    group_by_keys,
    tar_file_iterator,
)

from m3i_mm.registry import DATASETS

from ..faults import SampleError, as_fault
from ..images import IMAGE_SUFFIXES
from .base import Sample, Source
from .shard_urls import expand_urls, find_sizes, is_remote

__all__ = ['ShardSource', 'read_shard']


def open_shard(url: str) -> IO[bytes]:
    """Open a shard: a local file, a ``pipe:`` command, or through fsspec."""
    if url.startswith('pipe:'):
        return gopen(url)
    return fsspec.open(url, 'rb').open()


def read_shard(url: str) -> Iterator[Sample]:
    """Read the samples of one shard, in order.

    Args:
        url (str): A path or URL; compressed archives are recognised.

    Yields:
        dict: ``__key__`` (str) and the content (bytes) of every file of the
        sample by its suffix, e.g. ``{'__key__': 'a/1', 'jpg': b'...'}``.

    Raises:
        OSError, EOFError, tarfile.TarError: If the archive is unreachable,
            broken or truncated; what was read before has been yielded.
    """
    with open_shard(url) as stream:
        members = (
            {**member, '__url__': url} for member in tar_file_iterator(stream)
        )
        yield from group_by_keys(members)


@DATASETS.register_module()
class ShardSource(Source):
    """Samples in WebDataset shards.

    A file with one of the suffixes of pictures
    (:data:`~m3i_mm.datasets.images.IMAGE_SUFFIXES`) is the picture. The
    entries of a ``.json`` file become fields, the content of ``.txt`` the
    field ``text`` and that of ``.cls`` the integer field ``label``.

    Shards are read whole, so that their samples can be shuffled exactly.
    The number of samples in each is taken from, in this order,
    ``samples_per_shard``; an ``index.json`` beside the shards, as
    ``widsindex`` of WebDataset writes it; the ``*_stats.json`` beside each
    shard that img2dataset leaves; counting local shards once.

    Args:
        urls (str | Sequence[str]): See :func:`expand_urls`.
        samples_per_shard (int, optional): The number of samples in every
            shard. Positions beyond the end of a shorter shard count as
            faults of kind ``'missing'``.
        retries (int): How often reading a remote shard is tried again after
            an error that may pass. Defaults to 3.
        retry_wait (float): Seconds before the first new try; doubled for
            every further one. Defaults to 1.
        name (str, optional): How logs and reports call the source. Defaults
            to the folder of the shards.

    Raises:
        FileNotFoundError: If a pattern matches nothing.
        ValueError: If the sizes of remote shards are unknown.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        samples_per_shard: int | None = None,
        retries: int = 3,
        retry_wait: float = 1.0,
        name: str | None = None,
    ) -> None:
        self.urls = expand_urls(urls)
        folder = osp.basename(osp.dirname(self.urls[0]))
        super().__init__(name or folder)
        self.retries = retries
        self.retry_wait = retry_wait
        if samples_per_shard is None:
            sizes = find_sizes(self.urls)
        else:
            sizes = [samples_per_shard] * len(self.urls)
        self.chunk_sizes = np.array(sizes, dtype=np.int64)
        if not self.chunk_sizes.any():
            raise ValueError(f'The shards hold no samples: {self.urls[:3]}')

    def identity(self) -> Iterator[Any]:
        """Yield the shards, and of local ones their sizes and times."""
        yield from super().identity()
        for url in self.urls:
            status = None if is_remote(url) else os.stat(url)
            yield url, status and (status.st_size, status.st_mtime_ns)

    def read_chunk(self, chunk: int) -> ShardSamples:
        """Read a shard into memory; see :meth:`Source.read_chunk`."""
        url = self.urls[chunk]
        samples, error = _read_until_error(url)
        for retry in range(self.retries):
            if error is None or not _may_pass(url, error):
                break
            time.sleep(self.retry_wait * 2**retry)
            again, error = _read_until_error(url)
            samples = max(samples, again, key=len)
        if error is not None and not samples:
            raise SampleError('shard', url, f'{type(error).__name__}: {error}')
        size = int(self.chunk_sizes[chunk])
        return ShardSamples(url, samples, size, error)


def _read_until_error(url: str) -> tuple[list[Sample], Exception | None]:
    samples = []
    try:
        for sample in read_shard(url):
            samples.append(sample)
    except Exception as error:  # each file system has errors of its own
        return samples, error
    return samples, None


def _may_pass(url: str, error: Exception) -> bool:
    """Whether trying again can help."""
    lasting = isinstance(error, FileNotFoundError | PermissionError)
    return is_remote(url) and not lasting


class ShardSamples:
    """The samples of one shard in memory, parsed when they are taken.

    Args:
        url (str): The shard.
        samples (list[dict]): What :func:`read_shard` yielded.
        size (int): The number of samples that are expected.
        error (Exception, optional): Why there are fewer.
    """

    def __init__(
        self,
        url: str,
        samples: list[Sample],
        size: int,
        error: Exception | None = None,
    ) -> None:
        self.url = url
        self.samples = samples
        self.size = size
        self.error = error

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < self.size:
            raise IndexError(index)
        if index >= len(self.samples):
            reason = self.error or f'the shard has {len(self.samples)} samples'
            raise SampleError('missing', f'{self.url}[{index}]', str(reason))
        return parse_sample(self.samples[index])


def parse_sample(files: Sample) -> Sample:
    """Turn the files of a sample into what a pipeline works on.

    Args:
        files (dict): ``__key__`` and file contents by suffix.

    Returns:
        dict: ``sample_key``, ``img_bytes`` where there is a picture, and
        ``fields``.

    Raises:
        SampleError: If a ``.json``, ``.txt`` or ``.cls`` file is broken.
    """
    key = files['__key__']
    sample: Sample = {'sample_key': key, 'fields': {}}
    for suffix, content in files.items():
        if f'.{suffix}' in IMAGE_SUFFIXES:
            sample['img_bytes'] = content
            continue
        with as_fault(suffix, key):
            sample['fields'].update(_parse_fields(suffix, content))
    return sample


def _parse_fields(suffix: str, content: bytes) -> dict[str, Any]:
    if suffix == 'json':
        fields = json.loads(content)
        if not isinstance(fields, dict):
            raise ValueError(f'expected an object, got {type(fields)}')
        return fields
    if suffix == 'txt':
        return {'text': content.decode('utf-8-sig')}
    if suffix == 'cls':
        return {'label': int(content)}
    return {}
