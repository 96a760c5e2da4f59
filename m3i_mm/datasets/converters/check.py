"""Read everything once and say what is there and what is broken."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ..faults import SampleError
from ..images import decode
from ..source_dataset import SourceDataset
from ..sources import Source
from ..texts import written
from ..transforms.labels import whole_number
from .pack import image_content
from .parallel import map_processes

__all__ = ['check_source']

# samples that a worker checks at a time
BLOCK = 1000


class _Findings(NamedTuple):
    """Facts about some samples."""

    heights: list[int]
    widths: list[int]
    file_sizes: list[int]
    texts: list[int]  # lengths in characters
    labels: list[int]
    digests: list[tuple[str, str]]
    faults: list[dict[str, str]]


def check_source(
    source: Source,
    num_workers: int = 1,
    text: str = 'text',
    label: str = 'label',
) -> dict[str, Any]:
    """Read, decode and count all samples of a source.

    Args:
        source (Source): The samples.
        num_workers (int): Processes that read. Defaults to 1.
        text (str): The field of texts. Defaults to ``'text'``.
        label (str): The field of class numbers. Defaults to ``'label'``.

    Returns:
        dict: ``samples``, ``usable``, ``faults`` (counts by kind),
        ``examples`` of them, five-number summaries of ``height``, ``width``,
        ``bytes`` and ``text_length``, ``empty_texts``, ``labels`` (number,
        smallest, largest, samples of the rarest and the commonest) and
        ``duplicates`` (pairs of keys with the same bytes).
    """
    blocks = range(0, len(source), BLOCK)
    parts = map_processes(
        partial(_check_block, source, text, label),
        blocks,
        num_workers,
        'Checking',
    )
    found = _Findings(
        *(list(chain(*lists)) for lists in zip(*parts, strict=True))
    )
    kinds = Counter(fault['kind'] for fault in found.faults)
    return dict(
        samples=len(source),
        usable=len(found.heights),
        faults=dict(kinds),
        examples=found.faults[:100],
        height=_summary(found.heights),
        width=_summary(found.widths),
        bytes=_summary(found.file_sizes),
        text_length=_summary(found.texts),
        empty_texts=found.texts.count(0),
        labels=_summarize_labels(found.labels),
        duplicates=_duplicates(found.digests),
    )


def _check_block(
    source: Source, text: str, label: str, begin: int
) -> _Findings:
    reader = SourceDataset(source, pipeline=[])
    found = _Findings([], [], [], [], [], [], [])
    for index in range(begin, min(begin + BLOCK, len(source))):
        try:
            sample = reader.load_raw(index)
            content = image_content(sample)
            image = decode(content, sample['sample_key'])
        except SampleError as fault:
            found.faults.append(
                dict(kind=fault.kind, key=fault.key, reason=fault.reason)
            )
            continue
        found.heights.append(image.shape[0])
        found.widths.append(image.shape[1])
        found.file_sizes.append(len(content))
        digest = hashlib.blake2b(content, digest_size=12).hexdigest()
        found.digests.append((digest, sample['sample_key']))
        if text in sample['fields']:
            value = written(sample['fields'][text])
            texts = [value] if isinstance(value, str) else value
            found.texts.extend(len(t.strip()) for t in texts or [''])
        with suppress(TypeError, ValueError, OverflowError):
            found.labels.append(whole_number(sample['fields'].get(label)))
    return found


def _summary(values: list[int]) -> dict[str, float]:
    if not values:
        return {}
    names = ('min', '25%', 'median', '75%', 'max')
    numbers = np.percentile(values, [0, 25, 50, 75, 100])
    return {n: float(v) for n, v in zip(names, numbers, strict=True)}


def _summarize_labels(labels: list[int]) -> dict[str, int]:
    if not labels:
        return {}
    counts = Counter(labels)
    return dict(
        classes=len(counts),
        min=min(counts),
        max=max(counts),
        rarest=min(counts.values()),
        commonest=max(counts.values()),
    )


def _duplicates(digests: list[tuple[str, str]]) -> list[tuple[str, str]]:
    first: dict[str, str] = {}
    pairs = []
    for digest, key in digests:
        if digest in first:
            pairs.append((first[digest], key))
        else:
            first[digest] = key
    return pairs
