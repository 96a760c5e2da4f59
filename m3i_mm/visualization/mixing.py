"""Pictures of what the image encoder of M3I sees: mixes and their masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .grid import Panel, draw_grid
from .images import normalized_to_pictures

__all__ = ['draw_mixed_inputs', 'draw_mixes', 'find_mix', 'tint_owners']

# one hue for each image of a mix, as in Figure 1 of the paper
HUES = np.array(
    [[214, 69, 65], [52, 101, 184], [230, 168, 23], [60, 150, 90]], np.float32
)


def tint_owners(picture: np.ndarray, owned: Tensor) -> np.ndarray:
    """Colour every patch by the image that it comes from.

    Args:
        picture (np.ndarray): The mix, RGB, (H, W, 3), uint8.
        owned (Tensor): For each of N images its patches, Boolean, (N, h, w).

    Returns:
        np.ndarray: RGB, (H, W, 3), uint8.
    """
    height, width = picture.shape[:2]
    owner = owned.float().cpu()[None]  # (1, N, h, w)
    owner = F.interpolate(owner, (height, width)).argmax(1)[0]  # (H, W)
    hues = HUES[owner.numpy() % len(HUES)]  # (H, W, 3)
    # grey, lest the colours of the images be taken for those of the mask
    grey = picture.mean(-1, keepdims=True)  # (H, W, 1)
    return (0.4 * grey + 0.6 * hues).astype(np.uint8)


def draw_mixes(
    images: np.ndarray, mixed: np.ndarray, owned: Tensor, path: str | Path
) -> None:
    """Draw mixes beside the images that went in.

    Args:
        images (np.ndarray): The N images of each of P mixes, RGB,
            (N, P, H, W, 3), uint8.
        mixed (np.ndarray): The mixes, RGB, (P, H, W, 3), uint8.
        owned (Tensor): The patches of each image, Boolean, (N, P, h, w).
        path (str | Path): PNG file to write.
    """
    rows = [
        [
            *(Panel(image) for image in images[:, index]),
            Panel(mix),
            Panel(tint_owners(mix, owned[:, index])),
        ]
        for index, mix in enumerate(mixed)
    ]
    names = [f'image {index + 1}' for index in range(len(images))]
    draw_grid(rows, path, [*names, 'mixed input', 'mask'])


def find_mix(steps: Sequence[Any]) -> Any | None:
    """Find the first pass over mixed images.

    Args:
        steps (Sequence[Pass]): What an input made of a batch.

    Returns:
        Pass: One of which every member owns some patches, None if none does.
    """
    for step in steps:
        if all(member.owned is not None for member in step.members):
            return step
    return None


@torch.no_grad()
def draw_mixed_inputs(
    model: Any, batch: dict[str, Any], path: str | Path, max_mixes: int = 6
) -> None:
    """Mix a training batch as the model does, and draw the result.

    Args:
        model (M3I): A model whose input is ``PatchMix``, or has one.
        batch (dict): ``inputs`` and ``data_samples`` of the training
            dataloader.
        path (str | Path): PNG file to write.
        max_mixes (int): Most mixes to draw.

    Raises:
        ValueError: If the input of the model does not mix images.
    """
    from m3i_mm.models.pretrainers.batch import Batch

    data = model.data_preprocessor(batch, True)
    mixing = Batch(data['inputs'])
    step = find_mix(model.input(mixing))
    if step is None:
        raise ValueError(
            f'{type(model.input).__name__} does not mix images; mixed inputs '
            'are those of PatchMix.'
        )
    masks = [member.owned.cells for member in step.members]
    images = torch.stack(
        [member.pick(mixing.view(member.view)) for member in step.members]
    )  # (N, P, 3, H, W)
    owned = torch.stack(masks)
    preprocessor = model.data_preprocessor
    draw_mixes(
        normalized_to_pictures(images[:, :max_mixes], preprocessor),
        normalized_to_pictures(step.images[:max_mixes], preprocessor),
        owned[:, :max_mixes],
        path,
    )
