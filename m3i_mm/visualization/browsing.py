"""What a model will get: views, their crops, mixes, labels and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import MODELS
from torch import Tensor

from m3i_mm.runs.building import build_loader, scope_of

from .grid import Panel, draw_grid
from .images import bgr_to_picture, normalized_to_pictures
from .mixing import HUES, find_mix, tint_owners

__all__ = ['browse_batch', 'draw_crop_boxes', 'draw_target_grid']

# RGB of the input view and of the other view
VIEW_COLORS = [tuple(map(int, hue)) for hue in HUES[:2]]


def draw_crop_boxes(picture: np.ndarray, geometry: Tensor) -> np.ndarray:
    """Frame the crops of the views on the original.

    Args:
        picture (np.ndarray): The original, RGB, (H, W, 3), uint8.
        geometry (Tensor): ``view_geometry`` of V views, (V, 7).

    Returns:
        np.ndarray: RGB, (H, W, 3), uint8.
    """
    framed = picture.copy()
    width = max(1, round(min(picture.shape[:2]) / 60))
    for crop, color in zip(geometry.int().tolist(), VIEW_COLORS, strict=False):
        top, left, height, length = crop[:4]
        corner = left + length - 1, top + height - 1
        cv2.rectangle(framed, (left, top), corner, color, width)
    return framed


def draw_target_grid(
    picture: np.ndarray, geometry: Tensor, patch_size: int
) -> np.ndarray:
    """Mark where the patches of the other view lie in the input view.

    Args:
        picture (np.ndarray): The input view, RGB, (H, W, 3), uint8.
        geometry (Tensor): ``view_geometry`` of both views, (2, 7).
        patch_size (int): The side of a patch of either view in pixels.

    Returns:
        np.ndarray: RGB, (H, W, 3), uint8: a dot at every patch centre that
        the input view contains.
    """
    from m3i_mm.models.pretrainers.positions import relative_coordinates

    height, width = picture.shape[:2]
    grid = height // patch_size, width // patch_size
    centres = relative_coordinates(geometry[:1], geometry[1:2], grid, grid)
    marked = picture.copy()
    for row, column, *_ in centres[0].tolist():
        point = (
            round((column + 0.5) * patch_size),
            round((row + 0.5) * patch_size),
        )
        cv2.circle(marked, point, max(1, patch_size // 8), VIEW_COLORS[1], -1)
    return marked


def browse_batch(
    cfg: Config, path: str | Path, max_samples: int = 8, seed: int = 0
) -> None:
    """Draw the first samples of training as the model will get them.

    A row shows the original with both crops framed, the input view with the
    patches of the other view, the other view, and the mixed input with its
    mask where the model mixes.

    Args:
        cfg (Config): A training config.
        path (str | Path): PNG file to write.
        max_samples (int): Most rows. Defaults to 8.
        seed (int): The seed of order and augmentation. Defaults to 0.

    Raises:
        ValueError: If the pipeline does not make two views with geometry.
    """
    loader: Any = build_loader(cfg, seed=seed, num_workers=0)
    indices = next(iter(loader.batch_sampler))[:max_samples]
    # whole pairs for the mix
    indices = indices[: len(indices) // 2 * 2] or indices
    batch = default_collate([loader.dataset[index] for index in indices])
    samples = batch['data_samples']
    if any('view_geometry' not in sample for sample in samples):
        raise ValueError(
            'The pipeline does not give view_geometry: use '
            'm3i_mm.MultiViewWithGeometry and list it in algorithm_keys of '
            'PackInputs'
        )
    patch_size = cfg.model.get('input', {}).get('patch_size', 16)
    parts = loader.dataset.parts
    rows = [
        _row(parts[index.part], index, sample, views, patch_size)
        for index, sample, *views in zip(
            indices, samples, *batch['inputs'], strict=True
        )
    ]
    titles = ['crops', 'input view', 'other view']
    with scope_of(cfg):
        mixes = _mix(cfg, batch)
    if mixes:
        titles += ['mixed input', 'mask']
        rows = [[*row, *mix] for row, mix in zip(rows, mixes, strict=True)]
    draw_grid(rows, path, titles, caption_width=24)


def _row(
    part: Any, index: Any, sample: Any, views: list[Tensor], patch_size: int
) -> list[Panel]:
    """Draw one sample: the original and its two views."""
    one, two = (bgr_to_picture(view) for view in views)
    geometry = sample.view_geometry
    marked = draw_target_grid(one, geometry, patch_size)
    original = _original(part, index, sample)
    first = Panel(caption=f'replaced by {sample.sample_key}')
    if original is not None:
        framed = draw_crop_boxes(original, geometry)
        first = Panel(framed, _describe(sample))
    return [first, Panel(marked, _text(part, sample)), Panel(two)]


def _original(part: Any, index: Any, sample: Any) -> np.ndarray | None:
    """Decode the picture that the views were cut from, RGB."""
    from m3i_mm.datasets.transforms import Background, DecodeImage

    if sample.get('faults'):
        return None
    raw = dict(part.source.read_chunk(index.chunk)[index.offset])
    results = Background((255, 255, 255))(DecodeImage()(raw))
    return np.ascontiguousarray(results['img'][..., ::-1])


def _describe(sample: Any) -> str:
    """Name the sample and its labels."""
    labels = [
        f'{name} {int(value)}'
        for name, value in sample.items()
        if isinstance(value, Tensor) and value.numel() == 1
    ]
    return ', '.join([str(sample.get('sample_key', '')), *labels])


def _text(part: Any, sample: Any) -> str:
    """Turn the tokens that the model gets back into a text."""
    from m3i_mm.datasets.transforms import Tokenize

    if 'text_tokens' not in sample:
        return ''
    for transform in part.pipeline.transforms:
        if isinstance(transform, Tokenize):
            return transform.tokenizer.decode(sample.text_tokens)
    return ''


def _mix(cfg: Config, batch: dict[str, Any]) -> list[list[Panel]]:
    """Mix the batch as the model does; two panels for every sample."""
    from m3i_mm.models.pretrainers.batch import Batch

    if 'input' not in cfg.model:
        return []
    preprocessor = MODELS.build(
        cfg.get('data_preprocessor') or cfg.model.data_preprocessor
    )
    data = preprocessor(batch, True)
    mixing = Batch(data['inputs'])
    torch.manual_seed(0)
    step = find_mix(MODELS.build(cfg.model.input)(mixing))
    if step is None:
        return []
    masks = [member.owned.cells for member in step.members]
    pictures = normalized_to_pictures(step.images, preprocessor)
    owned = torch.stack(masks, 1)
    panels: list[list[Panel]] = [[] for _ in batch['data_samples']]
    for member in step.members:
        rows = range(member.number, len(panels), member.count)
        for mix, row in enumerate(rows):
            tinted = tint_owners(pictures[mix], owned[mix])
            panels[row] = [Panel(pictures[mix]), Panel(tinted)]
    return panels
