"""Emoji pictures with transparency, from the shards of ``data/emoji``."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import webdataset as wds
from PIL import Image


@dataclass(frozen=True)
class Cutout:
    """One drawing of one concept.

    Args:
        picture (Image.Image): RGBA picture.
        name (str): What it shows, e.g. ``'red apple'``.
        group (int): Class id of the coarse category.
        subgroup (int): Class id of the fine category.
        vendor (str): Who drew it.
        family (str): Concepts of one family never part in a split.
    """

    picture: Image.Image
    name: str
    group: int
    subgroup: int
    vendor: str
    family: str


def read_cutouts(
    folder: Path, split: str, keep: Callable[[dict[str, Any]], bool]
) -> list[Cutout]:
    """Read the pictures of a split.

    Args:
        folder (Path): The emoji data set.
        split (str): ``'train'`` or ``'val'``.
        keep (Callable[[dict], bool]): Selects samples by their JSON.

    Returns:
        list[Cutout]: The pictures, in the order of the shards.

    Raises:
        FileNotFoundError: If the folder holds no shard of the split.
        ValueError: If no sample is kept.
    """
    shards = sorted(str(path) for path in folder.glob(f'{split}-*.tar.gz'))
    if not shards:
        raise FileNotFoundError(
            f'{folder} holds no {split}-*.tar.gz; '
            'projects/emoji/build_emoji.py builds them'
        )
    cutouts = []
    for sample in wds.WebDataset(shards, shardshuffle=False):
        fields = json.loads(sample['json'])
        if keep(fields):
            cutouts.append(_cutout(sample['webp'], fields))
    if not cutouts:
        raise ValueError(f'no sample of {split} in {folder} is selected')
    return cutouts


def _cutout(content: bytes, fields: dict[str, Any]) -> Cutout:
    return Cutout(
        # a picture without any transparency decodes as RGB
        picture=Image.open(io.BytesIO(content)).convert('RGBA'),
        name=fields['name'],
        group=fields['group_id'],
        subgroup=fields['subgroup_id'],
        vendor=fields['vendor'],
        family=fields['family'],
    )
