"""Which shards there are."""

from __future__ import annotations

import glob
import os.path as osp
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import fsspec
from braceexpand import braceexpand
from mmengine.logging import print_log

from .downloads import open_filesystem
from .transfer import Limits, within

__all__ = ['expand_urls', 'is_remote']

SHARD_SUFFIXES = ('.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')


def expand_urls(
    urls: str | Sequence[str], limits: Limits | None = None
) -> list[str]:
    """Expand brace ranges and wildcards.

    Of what a wildcard matches, only files that are called ``.tar`` (or
    ``.tar.gz`` ...) are taken. A command runs only if it is written in
    ``urls``: a local file may be called ``pipe:...`` without harm.

    Args:
        urls (str | Sequence[str]): Paths or URLs such as
            ``'data/train-*.tar'``, ``'https://host/{00000..00041}.tar'``,
            ``'s3://bucket/train-*.tar'`` or ``'pipe:ssh host cat a.tar'``.
            HTTP has no listing and therefore no wildcards.
        limits (Limits, optional): How long a listing may take.

    Returns:
        list[str]: One entry a shard; wildcards in sorted order.

    Raises:
        FileNotFoundError: If a pattern matches nothing or a local file does
            not exist.
        ImportError: If the library of a protocol is not installed.
        TimeoutError: If a server does not list its files in time.
    """
    patterns = [urls] if isinstance(urls, str) else urls
    found = []
    for pattern in patterns:
        if pattern.startswith('pipe:'):
            found.append(pattern)
            continue
        for url in braceexpand(pattern):
            if url.startswith('file://'):
                url = unquote(urlsplit(url).path)
            if '://' in url:
                found += _remote_files(url, limits or Limits())
            else:
                found += _local_files(url)
    if not found:
        raise FileNotFoundError('No shards: the list of URLs is empty')
    return found


def is_remote(url: str) -> bool:
    """Whether a shard is not a local file."""
    return '://' in url or url.startswith('pipe:')


def _remote_files(pattern: str, limits: Limits) -> list[str]:
    if '*' not in pattern:
        if not pattern.startswith(('http://', 'https://')):
            for part in pattern.split('::'):
                # says so if the library behind it is not installed
                fsspec.get_filesystem_class(part.partition('://')[0])
        return [pattern]
    system, path = open_filesystem(
        pattern, limits.connect_timeout, limits.read_timeout
    )
    try:
        names = within(limits.total_timeout, lambda: system.glob(path))
    except TimeoutError as error:
        raise TimeoutError(f'Cannot list {pattern!r}: {error}') from error
    found = [system.unstrip_protocol(name) for name in names]
    return _only_shards(pattern, found)


def _local_files(pattern: str) -> list[str]:
    if osp.isfile(pattern):
        return [_unmistakable(pattern)]
    found = [path for path in glob.glob(pattern) if osp.isfile(path)]
    if not found:
        raise FileNotFoundError(
            f'No shard matches {pattern!r} (looked in '
            f'{osp.abspath(osp.dirname(pattern) or ".")})'
        )
    if not glob.has_magic(pattern):
        return [_unmistakable(path) for path in found]
    return [_unmistakable(path) for path in _only_shards(pattern, found)]


def _unmistakable(path: str) -> str:
    """Spell a local path so that it looks like no URL and no command."""
    return osp.join('.', osp.normpath(path)) if is_remote(path) else path


def _only_shards(pattern: str, found: list[str]) -> list[str]:
    shards = sorted(f for f in found if f.lower().endswith(SHARD_SUFFIXES))
    if not shards:
        what = f': {found[0]!r} is not called .tar' if found else ''
        raise FileNotFoundError(f'No shard matches {pattern!r}{what}')
    if len(shards) < len(found):
        others = sorted(set(found) - set(shards))
        print_log(
            f'{len(others)} files that match {pattern!r} are no shards by '
            f'their name and are left out, the first is {others[0]}',
            logger='current',
        )
    return shards
