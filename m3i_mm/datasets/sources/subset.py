"""The samples of another source that have certain fields."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ..faults import SampleError
from .base import Sample, Source

__all__ = ['SubsetSource']


class SubsetSource(Source):
    """The matching samples of a source, kept in memory in stored order.

    Samples that cannot be read are left out, and reported.

    Args:
        source (Source): The source to choose from; it is read once.
        where (Mapping): Wanted values by field; a list, tuple or set stands
            for any of its members.

    Raises:
        KeyError: If a sample lacks one of the fields.
        ValueError: If no sample matches.
    """

    random_access = True

    def __init__(self, source: Source, where: Mapping[str, Any]) -> None:
        super().__init__(source.name)
        self.samples = [
            sample for sample in _readable(source) if _matches(sample, where)
        ]
        if not self.samples:
            raise ValueError(
                f'No sample of {source.name} has the fields {dict(where)}'
            )
        self.chunk_sizes = np.array([len(self.samples)])
        self.classes = source.classes
        self._identity = source.fingerprint(), dict(where)

    def identity(self) -> Iterator[Any]:
        """Yield the whole source, and what is chosen of it."""
        yield from self._identity

    def read_chunk(self, chunk: int) -> list[Sample]:
        """Return the matching samples; there is one chunk."""
        return self.samples


def _readable(source: Source) -> Iterator[Sample]:
    faults: list[SampleError] = []
    for chunk in range(len(source.chunk_sizes)):
        try:
            samples = source.read_chunk(chunk)
        except SampleError as fault:
            faults.append(fault)
            continue
        for index in range(len(samples)):
            try:
                yield samples[index]
            except SampleError as fault:
                faults.append(fault)
    if faults:
        print_log(
            f'{source.name}: {len(faults)} samples or shards cannot be read '
            f'and are left out, the first: {faults[0]}',
            logger='current',
            level=logging.WARNING,
        )


def _matches(sample: Sample, where: Mapping[str, Any]) -> bool:
    fields = sample['fields']
    for name, wanted in where.items():
        if name not in fields:
            raise KeyError(
                f'Sample {sample["sample_key"]} has no field {name!r}; '
                f'it has {sorted(fields)}'
            )
        many = isinstance(wanted, list | tuple | set)
        if fields[name] not in (wanted if many else [wanted]):
            return False
    return True
