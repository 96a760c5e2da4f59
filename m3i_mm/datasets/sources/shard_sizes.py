"""How many samples each shard holds."""

from __future__ import annotations

import io
import json
import logging
import os
import os.path as osp
import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from mmengine.logging import print_log

from .shard_files import ShardFile
from .shard_urls import is_remote
from .transfer import Limits, fetch

__all__ = ['find_sizes']

T = TypeVar('T')

# an index or statistics of more bytes is something else
MAX_BYTES = 2**28
THREADS = 8


def find_sizes(
    urls: Sequence[str],
    limits: Limits | None = None,
    cache_dir: str | None = None,
) -> list[int]:
    """Find or count the samples of shards.

    What an index or statistics say is not believed if it is no count, or
    where the size of a local shard is another than in the index.

    Args:
        urls (Sequence[str]): The shards.
        limits (Limits, optional): How long to wait for a server.
        cache_dir (str, optional): Where compressed shards are unpacked.

    Returns:
        list[int]: From an ``index.json`` beside the shards, from the
        ``*_stats.json`` beside each, or counted. 0 for a local shard that
        cannot be read, which is reported.

    Raises:
        ValueError: If remote shards would have to be counted.
        OSError: If none of the shards can be read.
    """
    notes = _Notes(limits or Limits())
    sizes = _indexed_sizes(urls, notes)
    unknown = [url for url in urls if url not in sizes]
    sizes.update(_sizes_of_statistics(unknown, notes))
    unknown = [url for url in unknown if url not in sizes]
    remote = [url for url in unknown if is_remote(url)]
    if remote:
        raise ValueError(
            f'The number of samples is unknown for {len(remote)} remote '
            f'shards, the first is {remote[0]}. Set samples_per_shard, or '
            'put an index.json beside them (made by `widsindex create`).'
            + ''.join(f' {problem}.' for problem in notes.problems)
        )
    if unknown:
        print_log(
            f'Counting the samples of {len(unknown)} shards '
            '(an index.json beside them saves this)',
            logger='current',
        )
        sizes.update(_count(unknown, notes.limits, cache_dir))
    return [sizes[url] for url in urls]


class _Notes:
    """Reads the files beside shards; reports those that are no use."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.problems: list[str] = []

    def report(self, url: str, problem: str) -> None:
        """Report a file that is left aside."""
        self.problems.append(f'{url} is left aside: {problem}')
        print_log(self.problems[-1], logger='current', level=logging.WARNING)

    def read(self, url: str) -> Any:
        """Return the content of a JSON file, None if there is none."""
        content = io.BytesIO()
        if is_remote(url):
            limits = replace(self.limits, max_bytes=MAX_BYTES)
            error = fetch(url, content, limits)
        else:
            error = _read_local(url, content)
        if isinstance(error, FileNotFoundError) or _is_404(error):
            return None
        if error is not None:
            self.report(url, f'{type(error).__name__}: {error}')
            return None
        try:
            return json.loads(content.getvalue())
        except (ValueError, RecursionError) as fault:
            self.report(url, f'it is no JSON: {fault}')
            return None


def _read_local(path: str, content: io.BytesIO) -> Exception | None:
    try:
        if osp.getsize(path) > MAX_BYTES:
            return ValueError(f'it has {osp.getsize(path)} bytes')
        with open(path, 'rb') as file:
            content.write(file.read())
    except OSError as error:
        return error
    return None


def _is_404(error: Exception | None) -> bool:
    return getattr(error, 'code', None) in (404, 410)


def _indexed_sizes(urls: Sequence[str], notes: _Notes) -> dict[str, int]:
    sizes: dict[str, int] = {}
    # a command has no place beside it that an index could lie in
    files = [url for url in urls if not url.startswith('pipe:')]
    for folder in sorted({url.rpartition('/')[0] for url in files}):
        index = f'{folder}/index.json' if folder else 'index.json'
        content = notes.read(index)
        if content is None:
            continue
        try:
            entries = _index_entries(content)
        except ValueError as error:
            notes.report(index, str(error))
            continue
        for url in files:
            if url.rpartition('/')[0] == folder:
                size = _indexed_size(url, folder, entries)
                if size is not None:
                    sizes[url] = size
    return sizes


def _index_entries(content: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the entries of an index by the name of the file."""
    shards = content.get('shardlist') if isinstance(content, dict) else None
    if not isinstance(shards, list):
        raise ValueError('it has no shardlist, as widsindex writes it')
    entries: dict[str, list[dict[str, Any]]] = {}
    for entry in shards:
        url = entry.get('url') if isinstance(entry, dict) else None
        if not isinstance(url, str) or not _is_count(entry.get('nsamples')):
            raise ValueError(f'{entry!r:.80} has no url and count nsamples')
        entries.setdefault(posixpath.basename(url), []).append(entry)
    return entries


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _indexed_size(
    url: str, folder: str, entries: dict[str, list[dict[str, Any]]]
) -> int | None:
    """Return what an index says of a shard, None if nothing or not it."""
    found = entries.get(posixpath.basename(url.partition('?')[0]), [])
    if len(found) > 1:  # the same name in several folders
        found = [
            entry
            for entry in found
            if posixpath.join(folder, entry['url']) == url
        ]
    if len(found) != 1:
        return None
    (entry,) = found
    if is_remote(url):
        return entry['nsamples']
    bytes_now, bytes_then = os.stat(url).st_size, entry.get('filesize')
    if _is_count(bytes_then) and bytes_then != bytes_now:
        print_log(
            f'{url} is another file than index.json says ({bytes_now} bytes, '
            f'not {bytes_then}): its samples are counted',
            logger='current',
            level=logging.WARNING,
        )
        return None
    return None if _is_doubtful(url, entry['nsamples']) else entry['nsamples']


def _is_doubtful(url: str, size: int) -> bool:
    """Whether a local shard is said to be empty and is not."""
    return size == 0 and not is_remote(url) and os.stat(url).st_size > 0


def _sizes_of_statistics(urls: Iterable[str], notes: _Notes) -> dict[str, int]:
    """Return what img2dataset noted of each shard, if it is finished."""
    beside = {
        url: re.sub(r'\.tar$', '_stats.json', url)
        for url in urls
        if url.endswith('.tar') and not url.startswith('pipe:')
    }
    sizes: dict[str, int] = {}
    found = _at_once(notes.read, list(beside.values()))
    for (url, path), statistics in zip(beside.items(), found, strict=True):
        if statistics is None:
            continue
        size: Any = None
        if isinstance(statistics, dict):
            size = statistics.get('successes')
        if not _is_count(size):
            notes.report(path, 'it has no count of successes')
        elif not _is_doubtful(url, size):
            sizes[url] = size
    return sizes


def _count(
    urls: list[str], limits: Limits, cache_dir: str | None
) -> dict[str, int]:
    def count(url: str) -> tuple[int, str | None]:
        try:
            shard = ShardFile(url, limits, cache_dir)
        except OSError as error:
            return 0, str(error)
        return len(shard.index), shard.error

    counts = dict(zip(urls, _at_once(count, urls), strict=True))
    for url, (size, error) in counts.items():
        if error and size:
            what = f'{url} breaks off or is damaged: it has {size} samples'
        elif error:
            what = f'Cannot read the shard {url}, which is left out'
        else:
            continue
        print_log(f'{what} ({error})', logger='current', level=logging.WARNING)
    unreadable = [url for url, (size, error) in counts.items() if error]
    if len(unreadable) == len(urls) and not any(c for c, _ in counts.values()):
        raise OSError(
            f'Cannot read the shard {urls[0]}: {counts[urls[0]][1]}'
            + (f'; nor any of the {len(urls)}' if len(urls) > 1 else '')
        )
    return {url: size for url, (size, _) in counts.items()}


def _at_once(function: Callable[[str], T], urls: list[str]) -> list[T]:
    """Apply to many files, whose answers are waited for together."""
    if not urls:
        return []
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, urls))
