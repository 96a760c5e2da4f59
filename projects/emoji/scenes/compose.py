"""Paste cut-outs on a photograph and keep the mask of every one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from .cutouts import Cutout

# An object must keep this share of its pixels when others cover it ...
MIN_VISIBLE = 0.4
# ... and be found again at this size, in pixels.
MIN_AREA = 64
# Pasting gives up after that many places that would hide too much.
ATTEMPTS = 10


@dataclass(frozen=True)
class Placed:
    """One object of a scene.

    Args:
        cutout (Cutout): What was pasted.
        mask (np.ndarray): Pixels that show it, (H, W), bool.
    """

    cutout: Cutout
    mask: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A picture with exact masks.

    Args:
        image (Image.Image): RGB picture.
        objects (tuple[Placed, ...]): What was pasted, the lowest first.
        uncertain (np.ndarray): Pixels that mix an object with what is behind
            it, (H, W), bool.
        background (str): What the photograph shows.
    """

    image: Image.Image
    objects: tuple[Placed, ...]
    uncertain: np.ndarray
    background: str


def jitter_colors(
    picture: Image.Image, rng: np.random.Generator
) -> Image.Image:
    """Vary brightness, contrast and saturation, keeping transparency.

    Args:
        picture (Image.Image): RGB or RGBA picture.
        rng (np.random.Generator): Source of randomness.

    Returns:
        Image.Image: The varied picture.
    """
    for enhance in (
        ImageEnhance.Brightness,
        ImageEnhance.Contrast,
        ImageEnhance.Color,
    ):
        picture = enhance(picture).enhance(rng.uniform(0.7, 1.3))
    return picture


def transform_cutout(
    cutout: Cutout, size: int, rng: np.random.Generator
) -> Image.Image:
    """Vary colours, scale and angle of a cut-out.

    Args:
        cutout (Cutout): The cut-out.
        size (int): Edge of the scene in pixels; objects get a seventh to
            nearly a half of it.
        rng (np.random.Generator): Source of randomness.

    Returns:
        Image.Image: RGBA picture.
    """
    picture = jitter_colors(cutout.picture, rng)
    edge = round(size * np.exp(rng.uniform(np.log(0.14), np.log(0.45))))
    picture = picture.resize((edge, edge), Image.Resampling.BICUBIC)
    return picture.rotate(
        rng.uniform(-20, 20), Image.Resampling.BICUBIC, expand=True
    )


def compose_scene(
    photograph: Image.Image,
    background: str,
    cutouts: list[Cutout],
    rng: np.random.Generator,
) -> Scene:
    """Paste cut-outs one over another.

    A cut-out that finds no place where everything stays visible enough is
    left out.

    Args:
        photograph (Image.Image): Square RGB picture.
        background (str): What it shows.
        cutouts (list[Cutout]): What to paste, the lowest first.
        rng (np.random.Generator): Source of randomness.

    Returns:
        Scene: The picture and its masks.
    """
    size = photograph.width
    canvas = jitter_colors(photograph, rng).convert('RGBA')
    uncertain: np.ndarray = np.zeros((size, size), bool)
    placed: list[Placed] = []
    areas: list[int] = []
    for cutout in cutouts:
        picture = transform_cutout(cutout, size, rng)
        for _ in range(ATTEMPTS):
            layer = _layer_at_random(picture, size, rng)
            alpha = np.asarray(layer)[..., 3]
            solid = alpha >= 128
            remaining = [Placed(p.cutout, p.mask & ~solid) for p in placed]
            if _is_visible(solid, remaining, areas):
                canvas.alpha_composite(layer)
                mixed = (alpha >= 16) & (alpha < 240)
                uncertain = (uncertain & ~solid) | mixed
                placed = [*remaining, Placed(cutout, solid)]
                areas.append(int(solid.sum()))
                break
    image = canvas.convert('RGB')
    return Scene(image, tuple(placed), uncertain, background)


def _layer_at_random(
    picture: Image.Image, size: int, rng: np.random.Generator
) -> Image.Image:
    layer = Image.new('RGBA', (size, size))
    # an object may leave the scene by a quarter
    left, top = (
        int(rng.integers(-edge // 4, size - 3 * edge // 4))
        for edge in picture.size
    )
    layer.paste(picture, (left, top))
    return layer


def _is_visible(
    solid: np.ndarray, others: list[Placed], areas: list[int]
) -> bool:
    def enough(mask: np.ndarray, area: int) -> bool:
        visible = int(mask.sum())
        return visible >= MIN_AREA and visible >= MIN_VISIBLE * area

    return enough(solid, 0) and all(
        enough(other.mask, area)
        for other, area in zip(others, areas, strict=True)
    )
