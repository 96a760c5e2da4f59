"""From tensors of a model or a data set to pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ['bgr_to_picture', 'normalized_to_pictures']


def bgr_to_picture(image: Tensor) -> np.ndarray:
    """Turn the packed image of a data set into a picture.

    Args:
        image (Tensor): BGR values in [0, 255], (3, H, W).

    Returns:
        np.ndarray: RGB, (H, W, 3), uint8.
    """
    return image.flip(0).permute(1, 2, 0).to(torch.uint8).numpy()


def normalized_to_pictures(
    images: Tensor, data_preprocessor: nn.Module
) -> np.ndarray:
    """Undo the normalisation of a data preprocessor.

    Args:
        images (Tensor): Normalised RGB images, (..., 3, H, W).
        data_preprocessor (nn.Module): An MMEngine image preprocessor with
            ``to_rgb=True``.

    Returns:
        np.ndarray: RGB, (..., H, W, 3), uint8.
    """
    mean = data_preprocessor.get_buffer('mean').view(3, 1, 1)
    std = data_preprocessor.get_buffer('std').view(3, 1, 1)
    values = (images * std + mean).round().clamp(0, 255).to(torch.uint8)
    return values.movedim(-3, -1).cpu().numpy()
