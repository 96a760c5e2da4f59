"""What loading from shards costs: speed, stalls and memory."""

from __future__ import annotations

import io
import multiprocessing
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from torch.utils.data import DataLoader

from m3i_mm.datasets import SourceDataset, StreamBatchSampler

__all__ = [
    'LoadingCost',
    'measure_loading',
    'private_memory',
    'stack_pictures',
    'write_shards',
]

# the loop stands still if a batch is later than that
STALL_SECONDS = 0.5
# batches between two readings of the memory
READ_EVERY = 10


class LoadingCost(NamedTuple):
    """What a loader cost a training.

    Attributes:
        first_seconds (float): Until the first batch.
        images_per_second (float): From there on.
        stalls (int): Batches that were later than ``STALL_SECONDS``, the
            first left out.
        stalled_seconds (float): All their waiting.
        longest_seconds (float): The longest of it.
        memory_gib (float): Most private memory of the workers together.
    """

    first_seconds: float
    images_per_second: float
    stalls: int
    stalled_seconds: float
    longest_seconds: float
    memory_gib: float


def write_shards(
    folder: Path, shards: int, pictures: int, size: tuple[int, int]
) -> int:
    """Write shards with the same JPEG again and again.

    Args:
        folder (Path): Gets ``00000.tar`` ...
        shards (int): Their number.
        pictures (int): Pictures in each.
        size (tuple[int, int]): Height and width of the picture.

    Returns:
        int: Bytes of the picture.
    """
    coarse = np.random.default_rng(0).integers(
        0, 255, (size[0] // 4, size[1] // 4, 3), dtype=np.uint8
    )
    pixels = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    content = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    data = content.tobytes()
    for shard in range(shards):
        with tarfile.open(folder / f'{shard:05d}.tar', 'w') as archive:
            for number in range(pictures):
                member = tarfile.TarInfo(f'{shard:05d}{number:06d}.jpg')
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return len(data)


def stack_pictures(sample: dict[str, Any]) -> dict[str, Any]:
    """Pack a decoded picture, the last step of a pipeline."""
    return dict(inputs=torch.from_numpy(sample['img']))


def private_memory(pids: list[int]) -> int:
    """Add up the memory that processes do not share with files.

    Args:
        pids (list[int]): The processes; what has ended counts nothing.

    Returns:
        int: Bytes, the field ``Pss_Anon`` of ``/proc/PID/smaps_rollup``.
    """
    total = 0
    for pid in pids:
        try:
            lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
        except OSError:
            continue
        kib = [line.split()[1] for line in lines if line[:9] == 'Pss_Anon:']
        total += 1024 * sum(map(int, kib))
    return total


def measure_loading(
    data: SourceDataset,
    workers: int,
    batch_size: int,
    batches: int,
    step_seconds: float = 0.0,
    most_seconds: float = 600.0,
) -> LoadingCost:
    """Load batches in the order of a training.

    Args:
        data (SourceDataset): What is read.
        workers (int): Processes of the loader.
        batch_size (int): Samples in a batch.
        batches (int): How many are loaded, over as many epochs as it takes.
        step_seconds (float): What the training does with each, by sleeping.
        most_seconds (float): When to stop before.

    Returns:
        LoadingCost: The cost.
    """
    sampler = DefaultSampler(data, shuffle=True, seed=0)
    order = StreamBatchSampler(sampler, batch_size, num_streams=workers)
    loader = DataLoader(
        data,
        batch_sampler=order,
        num_workers=workers,
        multiprocessing_context='fork' if workers else None,
        persistent_workers=workers > 0,
    )
    waits: list[float] = []
    memory, started = 0, time.perf_counter()
    for wait in _waits(loader, sampler, step_seconds):
        waits.append(wait)
        if len(waits) % READ_EVERY == 1:
            children = multiprocessing.active_children()
            pids = [child.pid for child in children if child.pid is not None]
            memory = max(memory, private_memory(pids))
        passed = time.perf_counter() - started
        if len(waits) == batches or passed > most_seconds:
            break
    late = [wait for wait in waits[1:] if wait > STALL_SECONDS]
    return LoadingCost(
        waits[0],
        batch_size * (len(waits) - 1) / max(passed - waits[0], 1e-9),
        len(late),
        sum(late),
        max(late, default=0.0),
        memory / 2**30,
    )


def _waits(
    loader: DataLoader, sampler: DefaultSampler, step_seconds: float
) -> Iterator[float]:
    """Yield how long each batch was waited for, epoch after epoch."""
    epoch = 0
    while True:
        sampler.set_epoch(epoch)
        batches = iter(loader)
        while True:
            asked = time.perf_counter()
            if next(batches, None) is None:
                break
            yield time.perf_counter() - asked
            time.sleep(step_seconds)
        epoch += 1
