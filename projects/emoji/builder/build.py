"""Build the emoji data set: render, encode, split, write shards."""

from __future__ import annotations

import io
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, features
from rich.progress import track

from m3i_mm.datasets.converters.shards import (
    sha256,
    shard_index,
    to_json,
    write_shard,
)

from .concepts import Concept, build_concepts
from .pictures import PictureSet
from .texts import EmojiText

WEBP_QUALITY = 75
# Samples are shuffled once, so that every shard mixes vendors and concepts.
SHUFFLE_SEED = 0


@dataclass(frozen=True)
class EmojiSplit:
    """Samples of one split before they are rendered.

    Args:
        name (str): ``'train'`` or ``'val'``.
        shards (int): Number of shard files.
        samples (tuple[tuple[Concept, str], ...]): Concept and vendor.
    """

    name: str
    shards: int
    samples: tuple[tuple[Concept, str], ...]


def common_concepts(
    texts: list[EmojiText], pictures: dict[str, PictureSet]
) -> list[Concept]:
    """Keep the emoji that every vendor draws.

    Args:
        texts (list[EmojiText]): All emoji, in CLDR order.
        pictures (dict[str, PictureSet]): Pictures by vendor.

    Returns:
        list[Concept]: The common ones, numbered and split.

    Raises:
        ValueError: If there is none.
    """
    common = [
        text
        for text in texts
        if all(text.hexcode in drawn for drawn in pictures.values())
    ]
    if not common:
        raise ValueError(f'{sorted(pictures)} have no emoji in common')
    return build_concepts(common)


def split_samples(
    concepts: list[Concept],
    vendors: Sequence[str],
    heldout_vendor: str,
    shards: tuple[int, int],
) -> list[EmojiSplit]:
    """Assign every picture to training or validation.

    Training takes the training families of all vendors but one; validation
    takes everything else.

    Args:
        concepts (list[Concept]): All concepts.
        vendors (Sequence[str]): All vendors.
        heldout_vendor (str): The vendor kept out of training.
        shards (tuple[int, int]): Number of training and validation shards.

    Returns:
        list[EmojiSplit]: Training and validation, shuffled.
    """
    train: list[tuple[Concept, str]] = []
    val: list[tuple[Concept, str]] = []
    for concept in concepts:
        for vendor in vendors:
            heldout = concept.heldout_family or vendor == heldout_vendor
            (val if heldout else train).append((concept, vendor))
    shuffle = random.Random(SHUFFLE_SEED).shuffle
    shuffle(train)
    shuffle(val)
    return [
        EmojiSplit('train', shards[0], tuple(train)),
        EmojiSplit('val', shards[1], tuple(val)),
    ]


def encode_webp(picture: Image.Image) -> bytes:
    """Encode a picture as lossy WebP with its alpha channel.

    Args:
        picture (Image.Image): RGBA picture.

    Returns:
        bytes: Content of the file.
    """
    buffer = io.BytesIO()
    picture.save(buffer, 'WEBP', quality=WEBP_QUALITY)
    return buffer.getvalue()


def describe(concept: Concept, vendor: str) -> dict[str, Any]:
    """Collect the fields of a sample's JSON file.

    Args:
        concept (Concept): What the picture shows.
        vendor (str): Who drew it.

    Returns:
        dict: The fields, as ``data/emoji/README.md`` lists them.
    """
    text = concept.text
    return {
        'concept': concept.concept,
        'hexcode': text.hexcode,
        'name': text.name,
        'keywords': list(text.keywords),
        'group': text.group,
        'group_id': concept.group_id,
        'subgroup': text.subgroup,
        'subgroup_id': concept.subgroup_id,
        'family': concept.family,
        'heldout_family': concept.heldout_family,
        'vendor': vendor,
    }


def write_split(
    split: EmojiSplit,
    pictures: dict[str, PictureSet],
    size: int,
    output: Path,
) -> list[dict[str, Any]]:
    """Render a split and write its shards.

    Args:
        split (EmojiSplit): The samples.
        pictures (dict[str, PictureSet]): Pictures by vendor.
        size (int): Edge of the pictures in pixels.
        output (Path): Existing folder to write to.

    Returns:
        list[dict]: ``url``, ``nsamples`` and ``sha256`` of each shard.
    """

    def samples(index: int) -> Iterator[dict[str, Any]]:
        for concept, vendor in track(
            split.samples[index :: split.shards],
            f'{split.name} {index + 1}/{split.shards}',
        ):
            picture = pictures[vendor].draw(concept.text.hexcode, size)
            yield {
                '__key__': f'{concept.concept:04d}-{vendor}',
                'webp': encode_webp(picture),
                'json': to_json(describe(concept, vendor)),
            }

    shards = []
    for index in range(split.shards):
        path = output / f'{split.name}-{index:03d}.tar.gz'
        write_shard(path, samples(index))
        count = len(split.samples[index :: split.shards])
        shards.append(dict(url=path.name, nsamples=count, sha256=sha256(path)))
    return shards


def build_emoji(
    texts: list[EmojiText],
    pictures: dict[str, PictureSet],
    heldout_vendor: str,
    sources: dict[str, str],
    output: Path,
    size: int = 96,
    shards: tuple[int, int] = (8, 4),
) -> dict[str, Any]:
    """Build the emoji data set with its ``meta.json`` and ``index.json``.

    Args:
        texts (list[EmojiText]): Emoji in CLDR order.
        pictures (dict[str, PictureSet]): Pictures by vendor.
        heldout_vendor (str): The vendor kept out of training.
        sources (dict[str, str]): Version by package, for the record.
        output (Path): Folder to write to; created if needed.
        size (int): Edge of the pictures in pixels. Defaults to 96.
        shards (tuple[int, int]): Number of training and validation shards.
            Defaults to (8, 4).

    Returns:
        dict: The content of ``meta.json``.

    Raises:
        ValueError: If the vendors have no emoji in common or the held-out
            vendor is none of them.
    """
    if heldout_vendor not in pictures:
        raise ValueError(
            f'held-out vendor {heldout_vendor!r} is none of {sorted(pictures)}'
        )
    concepts = common_concepts(texts, pictures)
    output.mkdir(parents=True, exist_ok=True)
    splits = split_samples(concepts, list(pictures), heldout_vendor, shards)
    written = {
        split.name: write_split(split, pictures, size, output)
        for split in splits
    }
    meta = {
        'size': size,
        'sources': sources,
        'encoder': f'libwebp {features.version("webp")}',
        'vendors': list(pictures),
        'heldout_vendor': heldout_vendor,
        **_classes(concepts),
        'splits': {
            split.name: {
                'samples': len(split.samples),
                'shards': {
                    shard['url']: shard['sha256']
                    for shard in written[split.name]
                },
            }
            for split in splits
        },
    }
    index = shard_index(itertools.chain(*written.values()))
    for name, content in (('meta', meta), ('index', index)):
        text = json.dumps(content, ensure_ascii=False, indent=1)
        (output / f'{name}.json').write_text(text + '\n', encoding='utf-8')
    return meta


def _classes(concepts: list[Concept]) -> dict[str, list[str]]:
    def names(values: Iterator[str]) -> list[str]:
        return list(dict.fromkeys(values))

    return {
        'groups': names(c.text.group for c in concepts),
        'subgroups': names(c.text.subgroup for c in concepts),
        'concepts': [c.text.name for c in concepts],
        'heldout_families': sorted(
            {c.family for c in concepts if c.heldout_family}
        ),
    }
