"""Annotations of scenes in the formats of COCO, LVIS and ADE20K."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from .compose import Placed, Scene

COCO_URL = 'http://images.cocodataset.org/'
# ADE20K: 0 is unlabelled and becomes "ignore" by `reduce_zero_label`
SEMANTIC_BACKGROUND = 1
# LVIS: rare up to 10 training images, common up to 100, then frequent
LVIS_LIMITS = (('r', 10), ('c', 100))
# absent categories that an LVIS image lists as verified absent
NEGATIVES_PER_IMAGE = 10
# chance that an LVIS category with several objects is annotated in part
NOT_EXHAUSTIVE = 0.2


def encode_object(placed: Placed) -> dict[str, Any]:
    """Describe the visible part of an object.

    Args:
        placed (Placed): The object.

    Returns:
        dict: ``segmentation`` as compressed run-length encoding, ``bbox`` as
        [left, top, width, height] and ``area``, in pixels.
    """
    rle = coco_mask.encode(np.asfortranarray(placed.mask, dtype=np.uint8))
    return {
        'segmentation': {
            'size': rle['size'],
            'counts': rle['counts'].decode(),
        },
        'bbox': coco_mask.toBbox(rle).tolist(),
        'area': int(coco_mask.area(rle)),
    }


def semantic_map(scene: Scene) -> np.ndarray:
    """Draw the semantic labels as ADE20K stores them.

    Args:
        scene (Scene): The scene.

    Returns:
        np.ndarray: (H, W), uint8: 0 for unlabelled pixels (mixed with what is
        behind), 1 for the photograph, 2 + group for objects.
    """
    labels = np.full(scene.uncertain.shape, SEMANTIC_BACKGROUND, np.uint8)
    for placed in scene.objects:
        labels[placed.mask] = SEMANTIC_BACKGROUND + 1 + placed.cutout.group
    labels[scene.uncertain] = 0
    return labels


def caption(scene: Scene) -> str:
    """Tell what a scene shows.

    Args:
        scene (Scene): The scene.

    Returns:
        str: An English sentence.
    """
    names = list(dict.fromkeys(p.cutout.name for p in scene.objects))
    things = ', '.join(names[:-1])
    things = f'{things} and {names[-1]}' if things else ''.join(names)
    return f'{things} in front of {scene.background}'


class AnnotationWriter:
    """Collects the annotations of a split.

    Args:
        split (str): Name of the split, also the folder of its images.
        groups (Sequence[str]): Names of the coarse categories.
        subgroups (Sequence[str]): Names of the fine categories.
    """

    def __init__(
        self, split: str, groups: Sequence[str], subgroups: Sequence[str]
    ) -> None:
        self.split = split
        self.groups = list(groups)
        self.subgroups = list(subgroups)
        self._images: list[dict[str, Any]] = []
        self._scenes: list[Scene] = []

    def add(self, file_name: str, scene: Scene) -> None:
        """Add a scene.

        Args:
            file_name (str): Name of its image file.
            scene (Scene): The scene.
        """
        self._images.append(
            {
                'id': len(self._images) + 1,
                'file_name': file_name,
                'width': scene.image.width,
                'height': scene.image.height,
            }
        )
        self._scenes.append(scene)

    def coco(self) -> dict[str, Any]:
        """Return instances of the groups in the format of COCO."""
        annotations = [
            {
                'image_id': image['id'],
                'category_id': placed.cutout.group + 1,
                'iscrowd': 0,
                **encode_object(placed),
            }
            for image, scene in zip(self._images, self._scenes, strict=True)
            for placed in scene.objects
        ]
        return {
            'images': self._images,
            'annotations': _number(annotations),
            'categories': [
                {'id': index + 1, 'name': name}
                for index, name in enumerate(self.groups)
            ],
        }

    def captions(self) -> dict[str, Any]:
        """Return captions in the format of COCO."""
        annotations = [
            {'image_id': image['id'], 'caption': caption(scene)}
            for image, scene in zip(self._images, self._scenes, strict=True)
        ]
        return {'images': self._images, 'annotations': _number(annotations)}

    def lvis(
        self, rng: np.random.Generator, image_counts: Counter[int]
    ) -> dict[str, Any]:
        """Return instances of the subgroups in the format of LVIS v1.

        As in LVIS, an image is not annotated for all categories: it lists
        some that are verified absent, and some whose objects are annotated in
        part only.

        Args:
            rng (np.random.Generator): Source of randomness.
            image_counts (Counter[int]): Training images of each subgroup,
                which decide its frequency class.

        Returns:
            dict: Content of the annotation file.
        """
        images, annotations = [], []
        for image, scene in zip(self._images, self._scenes, strict=True):
            kept, partial = _annotate_in_part(scene.objects, rng)
            images.append(self._lvis_image(image, scene, partial, rng))
            annotations += [
                {
                    'image_id': image['id'],
                    'category_id': placed.cutout.subgroup + 1,
                    **encode_object(placed),
                }
                for placed in kept
            ]
        return {
            'images': images,
            'annotations': _number(annotations),
            'categories': self._lvis_categories(image_counts),
        }

    def image_counts(self) -> Counter[int]:
        """Count the images that show each subgroup."""
        return Counter(
            subgroup
            for scene in self._scenes
            for subgroup in {p.cutout.subgroup for p in scene.objects}
        )

    def _lvis_image(
        self,
        image: dict[str, Any],
        scene: Scene,
        partial: set[int],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        present = {placed.cutout.subgroup for placed in scene.objects}
        absent = sorted(set(range(len(self.subgroups))) - present)
        count = min(NEGATIVES_PER_IMAGE, len(absent))
        negatives = rng.choice(absent, count, replace=False)
        return {
            **image,
            # readers of LVIS take the file name from here
            'coco_url': f'{COCO_URL}{self.split}/{image["file_name"]}',
            'neg_category_ids': sorted(int(n) + 1 for n in negatives),
            'not_exhaustive_category_ids': sorted(s + 1 for s in partial),
        }

    def _lvis_categories(self, counts: Counter[int]) -> list[dict[str, Any]]:
        return [
            {
                'id': index + 1,
                'name': name,
                'synonyms': [name],
                'frequency': _frequency(counts[index]),
                'image_count': counts[index],
            }
            for index, name in enumerate(self.subgroups)
        ]


def _annotate_in_part(
    objects: Sequence[Placed], rng: np.random.Generator
) -> tuple[list[Placed], set[int]]:
    """Drop all but one object of a few subgroups that occur repeatedly."""
    counts = Counter(placed.cutout.subgroup for placed in objects)
    partial = {
        subgroup
        for subgroup, count in counts.items()
        if count > 1 and rng.random() < NOT_EXHAUSTIVE
    }
    kept: list[Placed] = []
    seen: set[int] = set()
    for placed in objects:
        subgroup = placed.cutout.subgroup
        if subgroup not in partial or subgroup not in seen:
            kept.append(placed)
        seen.add(subgroup)
    return kept, partial


def _frequency(image_count: int) -> str:
    for name, limit in LVIS_LIMITS:
        if image_count <= limit:
            return name
    return 'f'


def _number(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{'id': i + 1} | entry for i, entry in enumerate(annotations)]
