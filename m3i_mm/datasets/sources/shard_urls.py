"""Which shards there are, and how many samples each of them holds."""

from __future__ import annotations

import glob
import json
import logging
import os.path as osp
import re
import tarfile
import zlib
from collections.abc import Sequence
from typing import Any

import fsspec
from braceexpand import braceexpand
from mmengine.logging import print_log
from webdataset.tariterators import base_plus_ext

__all__ = ['expand_urls', 'find_sizes', 'is_remote']

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


def is_remote(url: str) -> bool:
    """Whether a shard is not a local file."""
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


def find_sizes(urls: list[str]) -> list[int]:
    """Find or count the samples of shards.

    Args:
        urls (list[str]): The shards.

    Returns:
        list[int]: From an ``index.json`` beside the shards, from the
        ``*_stats.json`` beside each, or counted.

    Raises:
        ValueError: If remote shards would have to be counted.
        OSError: If a local shard cannot be read.
    """
    sizes = _indexed_sizes(urls)
    unknown = [url for url in urls if url not in sizes]
    remote = [url for url in unknown if is_remote(url)]
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
            level=logging.WARNING,
        )
    return len(keys)
