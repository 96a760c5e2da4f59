"""What the patches of pictures are to a model: colours and look-alikes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .grid import Panel, draw_grid

__all__ = [
    'draw_patch_features',
    'patch_similarity',
    'principal_colors',
]

# shares of the patches beyond which a colour channel is cut off
DARKEST, BRIGHTEST = 0.02, 0.98


def principal_colors(maps: Tensor) -> np.ndarray:
    """Colour patches by the three main directions of their features.

    Patches of the same colour are alike to the model, in one picture or
    several: the directions are those of all patches together (principal
    component analysis, as Oquab et al. show DINOv2, arXiv 2304.07193).

    Args:
        maps (Tensor): Feature maps of N pictures, (N, C, h, w).

    Returns:
        np.ndarray: RGB, (N, h, w, 3), uint8.
    """
    count, _, height, width = maps.shape
    # (N, C, h, w) -> (N * h * w, C)
    patches = maps.movedim(1, -1).flatten(0, 2).double()
    patches = patches - patches.mean(0)
    _, _, directions = torch.linalg.svd(patches, full_matrices=False)
    directions = directions[:3]
    # a direction and its opposite are one component: choose the same always
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    channels = patches @ (directions * largest.sign()).T  # (N * h * w, <= 3)
    channels = F.pad(channels, (0, 3 - channels.shape[1]))
    limits = torch.tensor([DARKEST, BRIGHTEST], dtype=channels.dtype)
    low, high = channels.quantile(limits.to(channels.device), dim=0)
    channels = (channels - low) / (high - low).clamp(min=1e-12)
    colors = (channels.clamp(0, 1) * 255).round().to(torch.uint8)
    return colors.view(count, height, width, 3).cpu().numpy()


def patch_similarity(
    maps: Tensor, picture: int, position: tuple[int, int]
) -> Tensor:
    """Compare one patch with all patches of all pictures.

    Args:
        maps (Tensor): Feature maps of N pictures, (N, C, h, w).
        picture (int): The picture that has the patch.
        position (tuple[int, int]): Its row and column.

    Returns:
        Tensor: Cosines, (N, h, w), in [-1, 1].
    """
    unit = F.normalize(maps.double(), dim=1)
    row, column = position
    return torch.einsum('nchw,c->nhw', unit, unit[picture, :, row, column])


def draw_patch_features(
    pictures: Sequence[np.ndarray],
    maps: Tensor,
    path: str | Path | BinaryIO,
    position: tuple[float, float] = (0.5, 0.5),
) -> None:
    """Draw pictures, the colours of their patches, and look-alikes of one.

    Args:
        pictures (Sequence[np.ndarray]): N pictures, RGB, (H, W, 3), uint8.
        maps (Tensor): Their feature maps, (N, C, h, w).
        path (str | Path | BinaryIO): PNG file to write, or a stream.
        position (tuple[float, float]): Of the patch that is searched for:
            height and width in the first picture, as shares in [0, 1).

    Raises:
        ValueError: If there are not as many maps as pictures.
    """
    if len(pictures) != len(maps):
        raise ValueError(f'{len(pictures)} pictures, but {len(maps)} maps')
    height, width = maps.shape[2:]
    row, column = int(position[0] * height), int(position[1] * width)
    colors = principal_colors(maps)
    similar = patch_similarity(maps, 0, (row, column))
    rows = []
    for number, picture in enumerate(pictures):
        best = divmod(int(similar[number].argmax()), width)
        rows.append(
            [
                Panel(
                    _mark(picture, (row, column), maps)
                    if number == 0
                    else picture
                ),
                Panel(_enlarge(colors[number], picture)),
                Panel(_enlarge(_heat(similar[number]), picture)),
                Panel(_mark(picture, best, maps)),
            ]
        )
    titles = ['picture', 'main directions', 'like the patch', 'most alike']
    draw_grid(rows, path, titles)


def _heat(similar: Tensor) -> np.ndarray:
    """Colour cosines (h, w) of [-1, 1], dark to bright: (h, w, 3), uint8."""
    colors = matplotlib.colormaps['viridis']((similar.cpu().numpy() + 1) / 2)
    return (255 * colors[..., :3]).round().astype(np.uint8)


def _enlarge(patches: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Repeat patches (h, w, 3) to the size of the picture."""
    values = torch.from_numpy(patches).permute(2, 0, 1)[None].float()
    values = F.interpolate(values, picture.shape[:2], mode='nearest')
    return values[0].permute(1, 2, 0).to(torch.uint8).numpy()


def _mark(
    picture: np.ndarray, position: tuple[int, int], maps: Tensor
) -> np.ndarray:
    """Frame a patch in red on a copy of the picture."""
    picture = picture.copy()
    height = picture.shape[0] / maps.shape[2]
    width = picture.shape[1] / maps.shape[3]
    top, left = round(position[0] * height), round(position[1] * width)
    bottom = round((position[0] + 1) * height) - 1
    right = round((position[1] + 1) * width) - 1
    red = (255, 0, 0)
    picture[top : bottom + 1, [left, right]] = red
    picture[[top, bottom], left : right + 1] = red
    return picture
