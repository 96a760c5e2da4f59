"""Reproducible WebDataset shards."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import webdataset as wds


def write_shard(path: Path, samples: Iterable[dict[str, Any]]) -> None:
    """Write a gzip-compressed tar shard, the same bytes on every run.

    Args:
        path (Path): File to write, ``*.tar.gz``.
        samples (Iterable[dict]): Samples in WebDataset's form: ``__key__``
            and one entry of bytes per file extension.
    """
    # no file name, no time stamp: nothing but the samples enters the bytes
    with (
        path.open('wb') as file,
        gzip.GzipFile(
            filename='', mode='wb', compresslevel=9, fileobj=file, mtime=0
        ) as stream,
        wds.TarWriter(
            stream, user='', group='', mtime=0, encoder=False
        ) as writer,
    ):
        for sample in samples:
            writer.write(sample)


def shard_index(shards: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Describe shards as ``widsindex`` of WebDataset does.

    Args:
        shards (Iterable[dict]): ``url`` from the folder of the index,
            ``nsamples``, ``sha256`` and, where known, ``filesize`` in bytes
            of each; more is left out.

    Returns:
        dict: The content of an ``index.json``.
    """
    keys = ('url', 'nsamples', 'sha256', 'filesize')
    return {
        '__kind__': 'wids-shard-index-v1',
        'wids_version': 1,
        'shardlist': [
            {key: shard[key] for key in keys if key in shard}
            for shard in shards
        ],
    }


def to_json(value: Any) -> bytes:
    """Encode JSON compactly, in UTF-8.

    Args:
        value (Any): What :mod:`json` can encode.

    Returns:
        bytes: The encoded value.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(',', ':'))
    return text.encode()


def sha256(path: Path) -> str:
    """Compute the SHA-256 checksum of a file.

    Args:
        path (Path): The file.

    Returns:
        str: Hexadecimal digest.
    """
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
