"""Emoji of the embedded data set as the folders that a user has."""

from __future__ import annotations

import csv
from pathlib import Path

from m3i_mm.datasets.sources import ShardSource

DATA = Path(__file__).resolve().parents[2] / 'data/emoji'


def write_list(shard: str, folder: Path, most: int = 1000) -> Path:
    """Write the pictures of a shard, and ``list.csv`` with a text of each.

    Args:
        shard (str): Name of the shard, e.g. ``'train-000'``.
        folder (Path): Folder to write to.
        most (int): Pictures to write at most.

    Returns:
        Path: The folder.
    """
    folder.mkdir(parents=True)
    with (folder / 'list.csv').open('w', newline='', encoding='utf-8') as file:
        rows = csv.writer(file)
        rows.writerow(['image', 'text'])
        for name, fields, content in _samples(shard)[:most]:
            (folder / name).write_bytes(content)
            rows.writerow([name, fields['name']])
    return folder


def write_classes(shard: str, folder: Path) -> Path:
    """Write the pictures of a shard into a folder for each group of emoji.

    Args:
        shard (str): Name of the shard, e.g. ``'train-000'``.
        folder (Path): Folder to write to.

    Returns:
        Path: The folder.
    """
    for name, fields, content in _samples(shard):
        place = folder / fields['group']
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return folder


def _samples(shard: str) -> list[tuple[str, dict, bytes]]:
    source = ShardSource(urls=str(DATA / f'{shard}.tar.gz'))
    return [
        (f'{sample["sample_key"]}.webp', sample['fields'], sample['img_bytes'])
        for sample in source.read_chunk(0)
    ]
