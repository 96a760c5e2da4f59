"""WebDataset shards: tar archives in which files of one stem are a sample."""

from __future__ import annotations

import logging
import os
import os.path as osp
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from m3i_mm.registry import DATASETS

from ..faults import SampleError, as_fault
from .base import Sample, Source
from .prefetch import Prefetcher
from .sample_files import choose_files, parse_fields
from .shard_files import ShardFile
from .shard_sizes import find_sizes
from .shard_urls import expand_urls, is_remote
from .transfer import Limits

__all__ = ['ShardSource']


@DATASETS.register_module()
class ShardSource(Source):
    """Samples in WebDataset shards.

    Files of one folder and one stem are a sample, see :class:`TarIndex` for
    names with several dots. A file of a picture's suffix (see
    :data:`~m3i_mm.datasets.images.IMAGE_SUFFIXES`) is the picture. The entries
    of a ``.json`` file become fields, the content of ``.txt`` the field
    ``text`` and that of ``.cls`` the integer field ``label``.

    Local shards are read by offset. Remote ones (and compressed ones) are
    copied to a temporary file, of which nothing remains. A worker has the
    shards of its window open, and, where the order of training is known,
    those of the next window on their way.

    The number of samples in each is taken from, in this order,
    ``samples_per_shard``; an ``index.json`` beside the shards, as
    ``widsindex`` of WebDataset writes it; the ``*_stats.json`` beside each
    shard that img2dataset leaves; counting local shards once. A shard that
    holds another number than these say is reported when it is met.

    Args:
        urls (str | Sequence[str]): See :func:`expand_urls`.
        samples_per_shard (int, optional): The number of samples in every
            shard. Positions beyond the end of a shorter shard count as
            faults of kind ``'missing'``.
        image (str, optional): The suffix of the picture where a sample has
            several: ``'jpg'``, ``'input.jpg'``. Without it, one suffix that
            has no further dot is preferred to those that have.
        retries (int): How often reading a remote shard is tried again after
            an error that may pass. Defaults to 3.
        retry_wait (float): Seconds before the first new try; doubled for
            every further one, and varied at random. Defaults to 1.
        connect_timeout (float): Seconds until a server answers. Defaults to
            30.
        read_timeout (float): Seconds without any data. Defaults to 30.
        total_timeout (float): Seconds for one shard with all tries. Defaults
            to 600.
        connections (int): Remote shards that a worker reads at a time.
            Defaults to 4.
        cache_dir (str, optional): Where the temporary files are. Defaults to
            the system's folder for them (``TMPDIR``); ``/dev/shm`` is memory.
        max_image_bytes (int): A larger picture is a fault. Defaults to 256
            MiB.
        max_field_bytes (int): So is a larger ``.json``, ``.txt`` or ``.cls``.
            Defaults to 16 MiB.
        max_shard_bytes (int): A larger remote shard, or one that unpacks to
            more, is broken. Defaults to 64 GiB.
        name (str, optional): How logs and reports call the source. Defaults
            to the folder of the shards.

    Raises:
        FileNotFoundError: If a pattern matches nothing.
        ValueError: If the sizes of remote shards are unknown.
        OSError: If none of the shards can be read.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        samples_per_shard: int | None = None,
        image: str | None = None,
        retries: int = 3,
        retry_wait: float = 1.0,
        connect_timeout: float = 30.0,
        read_timeout: float = 30.0,
        total_timeout: float = 600.0,
        connections: int = 4,
        cache_dir: str | None = None,
        max_image_bytes: int = 2**28,
        max_field_bytes: int = 2**24,
        max_shard_bytes: int = 2**36,
        name: str | None = None,
    ) -> None:
        self.limits = Limits(
            retries,
            retry_wait,
            connect_timeout,
            read_timeout,
            total_timeout,
            max_shard_bytes,
        )
        self.urls = expand_urls(urls, self.limits)
        folder = osp.basename(osp.dirname(self.urls[0]))
        super().__init__(name or folder)
        self.image = image and image.lower().lstrip('.')
        self.connections = connections
        self.cache_dir = cache_dir
        self.max_image_bytes = max_image_bytes
        self.max_field_bytes = max_field_bytes
        if samples_per_shard is None:
            sizes = find_sizes(self.urls, self.limits, self.cache_dir)
        else:
            sizes = [samples_per_shard] * len(self.urls)
        self.chunk_sizes = np.array(sizes, dtype=np.int64)
        if not self.chunk_sizes.any():
            raise ValueError(f'The shards hold no samples: {self.urls[:3]}')
        self._background: tuple[int, Prefetcher[ShardSamples]] | None = None

    def identity(self) -> Iterator[Any]:
        """Yield the shards, and of local ones their sizes and times."""
        yield from super().identity()
        for url in self.urls:
            status = None if is_remote(url) else os.stat(url)
            yield url, status and (status.st_size, status.st_mtime_ns)

    def read_chunk(self, chunk: int) -> ShardSamples:
        """Open a shard; see :meth:`Source.read_chunk`."""
        return self._prefetcher.take(chunk)

    def prefetch(self, chunks: Iterable[int]) -> None:
        """Begin to open shards, and to copy those that are remote."""
        self._prefetcher.want(chunks)

    @property
    def _prefetcher(self) -> Prefetcher[ShardSamples]:
        # threads do not live on in a process that was forked
        if self._background is None or self._background[0] != os.getpid():
            prefetcher = Prefetcher(self._open, self.connections)
            self._background = os.getpid(), prefetcher
        return self._background[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), '_background': None}

    def _open(self, chunk: int) -> ShardSamples:
        url = self.urls[chunk]
        try:
            shard = ShardFile(url, self.limits, self.cache_dir)
        except OSError as error:
            raise SampleError('shard', url, str(error)) from error
        found, expected = len(shard.index), int(self.chunk_sizes[chunk])
        if not found and shard.error:
            raise SampleError('shard', url, shard.error)
        if found > expected:
            print_log(
                f'{url} holds {found} samples, of which only the {expected} '
                'are used that samples_per_shard, index.json or _stats.json '
                'speaks of: set it right, or remove the file to have them '
                'counted',
                logger='current',
                level=logging.WARNING,
            )
        return ShardSamples(self, shard, url, expected)


class ShardSamples:
    """The samples of one open shard, read when they are taken.

    Args:
        source (ShardSource): How to read them.
        shard (ShardFile): The shard.
        url (str): How it is called.
        size (int): The number of samples that are expected.
    """

    def __init__(
        self, source: ShardSource, shard: ShardFile, url: str, size: int
    ) -> None:
        self.source = source
        self.shard = shard
        self.url = url
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int, /) -> Sample:
        if not 0 <= index < self.size:
            raise IndexError(index)
        samples = self.shard.index
        if index >= len(samples):
            reason = f'the shard has {len(samples)} samples'
            if self.shard.error:
                reason += f': {self.shard.error}'
            raise SampleError('missing', f'{self.url}[{index}]', reason)
        key, files = samples.key(index), samples.files(index)
        chosen = choose_files(key, files, self.source.image)
        content = {
            kind: self._read(kind, key, *files[suffix])
            for kind, suffix in chosen.items()
        }
        return dict(
            sample_key=key,
            img_bytes=content.pop('image'),
            fields=parse_fields(key, content),
        )

    def _read(self, kind: str, key: str, offset: int, size: int) -> bytes:
        source = self.source
        is_image = kind == 'image'
        limit = source.max_image_bytes if is_image else source.max_field_bytes
        if size > limit:
            setting = 'max_image_bytes' if is_image else 'max_field_bytes'
            raise SampleError(
                kind, key, f'it has {size} bytes, more than {setting}={limit}'
            )
        with as_fault(kind, key):
            return self.shard.read(offset, size)
