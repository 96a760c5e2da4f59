"""Generate a detection and segmentation data set from emoji."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.progress import track

from .backgrounds import PHOTOGRAPHS, random_crop, read_photograph
from .compose import compose_scene
from .cutouts import Cutout, read_cutouts
from .formats import AnnotationWriter, semantic_map


@dataclass(frozen=True)
class SceneSettings:
    """What to generate.

    Args:
        train (int): Number of training scenes.
        val (int): Number of test scenes.
        size (int): Edge of a scene in pixels.
        unseen_families (bool): Whether test scenes show only concepts whose
            families are in no training scene.
        seed (int): The same seed gives the same files.
    """

    train: int = 240
    val: int = 60
    size: int = 256
    unseen_families: bool = False
    seed: int = 0


def generate_scenes(
    emoji: Path, output: Path, settings: SceneSettings
) -> None:
    """Write images and annotations of a training and a test split.

    The splits share neither vendor nor photograph, and no family of concepts
    where ``settings.unseen_families`` asks for it.

    Args:
        emoji (Path): The emoji data set.
        output (Path): Folder to write to.
        settings (SceneSettings): What to generate.

    Raises:
        FileNotFoundError: If ``emoji`` is not the emoji data set or a
            photograph is not installed.
    """
    meta_file = emoji / 'meta.json'
    if not meta_file.is_file():
        raise FileNotFoundError(
            f'{emoji} is no emoji data set: it holds no meta.json'
        )
    meta = json.loads(meta_file.read_text(encoding='utf-8'))
    counts = {'train': settings.train, 'val': settings.val}
    image_counts: Counter[int] = Counter()
    for index, (split, count) in enumerate(counts.items()):
        rng = np.random.default_rng([settings.seed, index])
        cutouts = _split_cutouts(emoji, split, meta, settings.unseen_families)
        writer = _write_scenes(
            output, split, count, settings.size, cutouts, meta, rng
        )
        if split == 'train':
            image_counts = writer.image_counts()
        _write_annotations(output, writer, rng, image_counts)
    _write_json(output / 'settings.json', asdict(settings))


def _split_cutouts(
    emoji: Path, split: str, meta: dict[str, Any], unseen_families: bool
) -> list[Cutout]:
    heldout = meta['heldout_vendor']

    def keep(fields: dict[str, Any]) -> bool:
        # the training shards hold neither the vendor nor its families
        return split == 'train' or (
            fields['vendor'] == heldout
            and (fields['heldout_family'] or not unseen_families)
        )

    return read_cutouts(emoji, split, keep)


def _write_scenes(
    output: Path,
    split: str,
    count: int,
    size: int,
    cutouts: list[Cutout],
    meta: dict[str, Any],
    rng: np.random.Generator,
) -> AnnotationWriter:
    images = output / 'images' / split
    labels = output / 'semantic' / split
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    writer = AnnotationWriter(split, meta['groups'], meta['subgroups'])
    photographs = [(read_photograph(p), p) for p in PHOTOGRAPHS[split]]
    weights = long_tail([cutout.subgroup for cutout in cutouts])
    for index in track(range(count), f'{split} scenes'):
        picture, photograph = photographs[rng.integers(len(photographs))]
        chosen = rng.choice(len(cutouts), rng.integers(2, 7), p=weights)
        scene = compose_scene(
            random_crop(picture, size, rng),
            photograph.caption,
            [cutouts[i] for i in chosen],
            rng,
        )
        stem = f'{index + 1:06d}'
        scene.image.save(images / f'{stem}.jpg', quality=95)
        Image.fromarray(semantic_map(scene)).save(labels / f'{stem}.png')
        writer.add(f'{stem}.jpg', scene)
    return writer


def long_tail(subgroups: list[int]) -> np.ndarray:
    """Weigh cut-outs so that their subgroups follow Zipf's law.

    The subgroup with most cut-outs is the most frequent one, so no single
    drawing dominates; within a subgroup all cut-outs weigh the same.

    Args:
        subgroups (list[int]): Subgroup of each cut-out.

    Returns:
        np.ndarray: Probability of each cut-out, float64, sums to 1.
    """
    sizes = Counter(subgroups)
    order = sorted(sizes, key=lambda s: (-sizes[s], s))
    rank = {subgroup: i + 1 for i, subgroup in enumerate(order)}
    weights = np.array([1 / rank[s] / sizes[s] for s in subgroups])
    return weights / weights.sum()


def _write_annotations(
    output: Path,
    writer: AnnotationWriter,
    rng: np.random.Generator,
    image_counts: Counter[int],
) -> None:
    folder = output / 'annotations'
    folder.mkdir(exist_ok=True)
    contents = {
        'instances': writer.coco(),
        'captions': writer.captions(),
        'lvis': writer.lvis(rng, image_counts),
    }
    for name, content in contents.items():
        _write_json(folder / f'{name}_{writer.split}.json', content)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding='utf-8')
