"""How long a large list takes to open, and how much memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.dataset import DefaultSampler

__all__ = ['ListCost', 'measure_list', 'write_list']

CAPTION = 'a photograph of thing {0}, seen from {1} sides'
BLOCK = 100_000  # rows that are written at a time


class ListCost(NamedTuple):
    """What a list costs one process.

    Attributes:
        rows (int): Its rows.
        gigabytes (float): Its size on disk, 1e9 bytes.
        open_seconds (float): Until its rows are counted.
        batch_seconds (float): From there to the first shuffled batch.
        rows_per_second (float): Rows read in shuffled order afterwards.
        memory_mib (float): Most memory that the process took, less what
            Python and its modules took before.
    """

    rows: int
    gigabytes: float
    open_seconds: float
    batch_seconds: float
    rows_per_second: float
    memory_mib: float


def write_list(path: Path, rows: int) -> None:
    """Write a list with the columns ``image``, ``text`` and ``label``.

    Args:
        path (Path): ``.tsv``, ``.csv`` (every second caption in quotation
            marks), ``.jsonl`` or ``.parquet``.
        rows (int): The number of rows.
    """
    if path.suffix == '.parquet':
        _write_parquet(path, rows)
        return
    with path.open('w', encoding='utf-8') as file:
        if path.suffix != '.jsonl':
            file.write(('\t' if path.suffix == '.tsv' else ',').join(HEADER))
            file.write('\n')
        for begin in range(0, rows, BLOCK):
            numbers = range(begin, min(begin + BLOCK, rows))
            file.writelines(_line(path.suffix, number) for number in numbers)


HEADER = ('image', 'text', 'label')


def _row(number: int) -> tuple[str, str, int]:
    path = f'{number // 10000:05d}/{number:09d}.jpg'
    return path, CAPTION.format(number, number % 7), number % 1000


def _line(suffix: str, number: int) -> str:
    path, text, label = _row(number)
    if suffix == '.jsonl':
        return f'{{"image":"{path}","text":"{text}","label":{label}}}\n'
    if suffix == '.tsv':
        return f'{path}\t{text}\t{label}\n'
    text = f'"{text}"' if number % 2 else text.replace(',', ';')
    return f'{path},{text},{label}\n'


def _write_parquet(path: Path, rows: int) -> None:
    import pyarrow
    from pyarrow import parquet

    def blocks() -> Iterator[pyarrow.Table]:
        for begin in range(0, rows, BLOCK):
            numbers = range(begin, min(begin + BLOCK, rows))
            columns = zip(*map(_row, numbers), strict=True)
            yield pyarrow.table(dict(zip(HEADER, columns, strict=True)))

    first = pyarrow.table(dict(zip(HEADER, zip(_row(0)), strict=True)))
    with parquet.ParquetWriter(path, first.schema) as writer:
        for block in blocks():
            writer.write_table(block)


def measure_list(path: Path, samples: int = 20_000) -> ListCost:
    """Open a list in a process of its own and read rows in shuffled order.

    Args:
        path (Path): The list.
        samples (int): The rows that are timed. Defaults to 20000.

    Returns:
        ListCost: Times and memory.
    """
    code = (
        'import sys; from m3i_mm.benchmarks.lists import _cost; '
        '_cost(sys.argv[1], int(sys.argv[2]))'
    )
    command = [sys.executable, '-c', code, str(path), str(samples)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    count, *values = run.stdout.split()[-5:]
    size = path.stat().st_size / 1e9
    return ListCost(int(count), size, *map(float, values))


def _cost(path: str, samples: int) -> None:
    from m3i_mm.datasets import (
        ImageTextListSource,
        SourceDataset,
        StreamBatchSampler,
    )

    before = _peak_mib()
    start = time.perf_counter()
    source = ImageTextListSource(path, label='label')
    opened = time.perf_counter()
    data = SourceDataset(source, pipeline=[])
    sampler = DefaultSampler(data, shuffle=True, seed=0)
    batches = iter(StreamBatchSampler(sampler, batch_size=256))
    for index in next(batches):
        data.read(index.chunk, index.offset)
    first = time.perf_counter()
    count = 0
    for batch in batches:
        for index in batch:
            data.read(index.chunk, index.offset)
        count += len(batch)
        if count >= samples:
            break
    end = time.perf_counter()
    rate = np.inf if end == first else count / (end - first)
    print(
        len(source), opened - start, first - opened, rate, _peak_mib() - before
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
