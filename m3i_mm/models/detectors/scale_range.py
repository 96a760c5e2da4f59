"""Objects count less where they are small or large for the image (SNIP).

Singh and Davis, "An Analysis of Scale Invariance in Object Detection", CVPR
2018, section 5: an image that was enlarged trains small objects, one that was
reduced large ones. InternImage's configs of its largest detectors ask for it
by ``snip_cfg=dict(type='v3', weight=0.1)``, but the heads of the release never
read that, so the published numbers are without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ['ScaleRange']

# longest short side of the image, shortest and longest side of an object,
# all in pixels: what the release calls by these names
RANGES = {
    'v3': (
        (800, 96, math.inf),
        (1000, 64, math.inf),
        (1400, 0, math.inf),
        (1600, 0, 96),
        (math.inf, 0, 64),
    )
}


class ScaleRange:
    """Weights of objects by their size in the image as it is trained on.

    Args:
        type (str): Name of the ranges, ``'v3'``.
        weight (float): Weight of objects outside of the range, in [0, 1].

    Raises:
        ValueError: If the type is unknown or the weight out of range.
    """

    def __init__(self, type: str, weight: float) -> None:
        if type not in RANGES:
            raise ValueError(
                f'snip_cfg: the ranges {type!r} are unknown; there is '
                f'{", ".join(map(repr, RANGES))}'
            )
        if not 0 <= weight <= 1:
            raise ValueError(f'snip_cfg: weight={weight} is not in [0, 1]')
        self.ranges = RANGES[type]
        self.weight = weight

    def weights(self, boxes: Tensor, shape: Sequence[int]) -> Tensor:
        """Return the weight of each object.

        Args:
            boxes (Tensor): Boxes (x, y, w, h), normalised by the image,
                (N, 4).
            shape (Sequence[int]): Height and width of the image in pixels.

        Returns:
            Tensor: (N,), 1 or ``weight``; the side of an object is the square
            root of its area.
        """
        height, width = shape[:2]
        area = boxes[:, 2] * width * boxes[:, 3] * height
        shortest, longest = next(
            (low, high)
            for short_side, low, high in self.ranges
            if min(height, width) <= short_side
        )
        inside = (area >= shortest**2) & (area <= longest**2)
        return torch.where(inside, 1.0, self.weight).to(boxes)
