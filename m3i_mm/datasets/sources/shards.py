"""WebDataset shards: tar archives in which files of one stem are a sample."""

from __future__ import annotations

import glob
import json
import os.path as osp
import re
import tarfile
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

import fsspec
import numpy as np
from braceexpand import braceexpand
from mmengine.logging import print_log
from webdataset.gopen import gopen
from webdataset.tariterators import (
    base_plus_ext,
    group_by_keys,
    tar_file_iterator,
)

from m3i_mm.registry import DATASETS

from ..faults import SampleError
from .base import Sample, Source

__all__ = ['ShardSource', 'expand_urls', 'read_shard']

IMAGE_SUFFIXES = ('jpg', 'jpeg', 'png', 'webp')
# what reading a broken or truncated local archive raises
READ_ERRORS = (OSError, EOFError, tarfile.TarError, ValueError, zlib.error)


def expand_urls(urls: str | Sequence[str]) -> list[str]:
    """Expand brace ranges and wildcards.

    Args:
        urls (str | Sequence[str]): Paths or URLs such as
            ``'data/train-*.tar'``, ``'https://host/{00000..00041}.tar'``,
            ``'s3://bucket/train-*.tar'`` or ``'pipe:ssh host cat a.tar'``.
            HTTP has no listing and therefore no wildcards.

    Returns:
        list[str]: One entry a shard; wildcards in sorted order.

    Raises:
        FileNotFoundError: If a pattern matches nothing or a local file does
            not exist.
    """
    patterns = [urls] if isinstance(urls, str) else urls
    found = []
    for pattern in patterns:
        if pattern.startswith('pipe:'):
            found.append(pattern)
            continue
        for url in braceexpand(pattern):
            found += _remote_files(url) if '://' in url else _local_files(url)
    if not found:
        raise FileNotFoundError('No shards: the list of URLs is empty')
    return found


def _is_remote(url: str) -> bool:
    return '://' in url or url.startswith('pipe:')


def _remote_files(pattern: str) -> list[str]:
    if '*' not in pattern:
        return [pattern]
    system, path = fsspec.core.url_to_fs(pattern)
    found = [system.unstrip_protocol(name) for name in system.glob(path)]
    if not found:
        raise FileNotFoundError(f'No shard matches {pattern!r}')
    return sorted(found)


def _local_files(pattern: str) -> list[str]:
    if osp.isfile(pattern):
        return [pattern]
    found = sorted(glob.glob(pattern))
    if not found:
        raise FileNotFoundError(
            f'No shard matches {pattern!r} (looked in '
            f'{osp.abspath(osp.dirname(pattern) or ".")})'
        )
    return found


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

    A file ``.jpg``, ``.jpeg``, ``.png`` or ``.webp`` is the picture. The
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
        name (str, optional): How logs and reports call the source.

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
        super().__init__(name)
        self.urls = expand_urls(urls)
        self.retries = retries
        self.retry_wait = retry_wait
        if samples_per_shard is None:
            sizes = _find_sizes(self.urls)
        else:
            sizes = [samples_per_shard] * len(self.urls)
        self.chunk_sizes = np.array(sizes, dtype=np.int64)
        if not self.chunk_sizes.any():
            raise ValueError(f'The shards hold no samples: {self.urls[:3]}')

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
    return _is_remote(url) and not lasting


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
        if suffix in IMAGE_SUFFIXES:
            sample['img_bytes'] = content
            continue
        try:
            sample['fields'].update(_parse_fields(suffix, content))
        except ValueError as error:
            raise SampleError(suffix, key, str(error)) from error
    return sample


def _parse_fields(suffix: str, content: bytes) -> dict[str, Any]:
    if suffix == 'json':
        fields = json.loads(content)
        if not isinstance(fields, dict):
            raise ValueError(f'expected an object, got {type(fields)}')
        return fields
    if suffix == 'txt':
        return {'text': content.decode()}
    if suffix == 'cls':
        return {'label': int(content)}
    return {}


def _find_sizes(urls: list[str]) -> list[int]:
    sizes = _indexed_sizes(urls)
    unknown = [url for url in urls if url not in sizes]
    remote = [url for url in unknown if _is_remote(url)]
    if remote:
        raise ValueError(
            f'The number of samples is unknown for {len(remote)} remote '
            f'shards, the first is {remote[0]}. Set samples_per_shard, or '
            'put an index.json beside them (made by `widsindex create`).'
        )
    if unknown:
        print_log(
            f'Counting the samples of {len(unknown)} shards '
            '(an index.json beside them saves this)',
            logger='current',
        )
    sizes.update((url, _count_samples(url)) for url in unknown)
    return [sizes[url] for url in urls]


def _indexed_sizes(urls: list[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for folder in {url.rpartition('/')[0] for url in urls}:
        index = _read_json(f'{folder}/index.json' if folder else 'index.json')
        counts = {
            osp.basename(entry['url']): int(entry['nsamples'])
            for entry in index.get('shardlist', [])
        }
        for url in urls:
            parent, _, file = url.rpartition('/')
            if parent == folder and file in counts:
                sizes[url] = counts[file]
    for url in urls:
        if url not in sizes and not url.startswith('pipe:'):
            stats = _read_json(re.sub(r'\.tar$', '_stats.json', url), url)
            if 'successes' in stats:
                sizes[url] = int(stats['successes'])
    return sizes


def _read_json(url: str, unless: str | None = None) -> dict[str, Any]:
    if url == unless or url.startswith('pipe:'):
        return {}
    try:
        with fsspec.open(url, 'rb') as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def _count_samples(path: str) -> int:
    keys: list[str] = []
    try:
        with tarfile.open(path, 'r|*') as archive:
            for member in archive:
                key, _ = base_plus_ext(member.name)
                if member.isreg() and key and (not keys or keys[-1] != key):
                    keys.append(key)
    except READ_ERRORS as error:
        if not keys:
            raise OSError(f'Cannot read the shard {path}: {error}') from error
        print_log(
            f'{path} breaks off after {len(keys)} samples: {error}',
            logger='current',
            level=30,
        )
    return len(keys)
