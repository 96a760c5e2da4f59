"""Views of a picture that remember where they were cut.

The geometry of a view is ``[top, left, height, width, flip, image_height,
image_width]``: the crop box in pixels of the picture before mirroring, and
whether the view was mirrored left to right after the cut. The relative
positions of SiameseIM (M3I paper, section 3.3) are computed from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from m3i_mm.registry import TRANSFORMS

from .jpeg import JpegImage
from .loading import require_three_channels

__all__ = ['CenterView', 'MultiViewWithGeometry', 'RandomView']


@TRANSFORMS.register_module()
class RandomView(BaseTransform):
    """Cut a random box, resize it, and mirror it at random.

    The box has a uniformly drawn share of the area and a log-uniformly drawn
    aspect ratio; if ten draws do not fit, the largest central box of an
    allowed ratio is used (the usual random resized crop).

    **Required Keys:** ``img``

    **Modified Keys:** ``img``, ``img_shape``

    **Added Keys:** ``view_geometry``, FloatTensor (7,)

    Args:
        size (int | Sequence[int]): Height and width of the view.
        scale (Sequence[float]): Range of the share of the area.
        ratio (Sequence[float]): Range of width over height.
        flip_prob (float): Probability of mirroring. Defaults to 0.5.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        flip_prob: float = 0.5,
    ) -> None:
        super().__init__()
        self.size = _pair(size)
        self.scale = scale
        self.ratio = ratio
        self.flip_prob = flip_prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``img`` by the view."""
        require_three_channels(results, type(self).__name__)
        box = self._draw_box(*results['img'].shape[:2])
        flip = bool(np.random.rand() < self.flip_prob)
        return _cut(results, box, self.size, flip)

    def _draw_box(self, height: int, width: int) -> tuple[int, int, int, int]:
        low, high = np.log(self.ratio)
        for _ in range(10):
            area = np.random.uniform(self.scale[0], self.scale[1])
            area *= height * width
            aspect = math.exp(np.random.uniform(low, high))
            h = round(math.sqrt(area / aspect))
            w = round(math.sqrt(area * aspect))
            if 0 < h <= height and 0 < w <= width:
                top = np.random.randint(height - h + 1)
                left = np.random.randint(width - w + 1)
                return top, left, h, w
        h = max(1, min(height, round(width / self.ratio[0])))
        w = max(1, min(width, round(height * self.ratio[1])))
        return (height - h) // 2, (width - w) // 2, h, w


@TRANSFORMS.register_module()
class CenterView(BaseTransform):
    """Cut the central box of the output's aspect ratio and resize it.

    **Required Keys:** ``img``

    **Modified Keys:** ``img``, ``img_shape``

    **Added Keys:** ``view_geometry``, FloatTensor (7,)

    Args:
        size (int | Sequence[int]): Height and width of the view.
        crop_ratio (float): The side of the box relative to the largest that
            fits; 0.875 is usual for ImageNet. Defaults to 1.
    """

    def __init__(
        self, size: int | Sequence[int], crop_ratio: float = 1.0
    ) -> None:
        super().__init__()
        self.size = _pair(size)
        self.crop_ratio = crop_ratio

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``img`` by the view."""
        require_three_channels(results, type(self).__name__)
        height, width = results['img'].shape[:2]
        scale = self.crop_ratio * min(
            height / self.size[0], width / self.size[1]
        )
        h = max(1, round(self.size[0] * scale))
        w = max(1, round(self.size[1] * scale))
        box = (height - h) // 2, (width - w) // 2, h, w
        return _cut(results, box, self.size, flip=False)


@TRANSFORMS.register_module()
class MultiViewWithGeometry(BaseTransform):
    """Make several views of one picture, each by its own transforms.

    **Required Keys:** ``img``

    **Modified Keys:** ``img``, a list of V arrays

    **Added Keys:** ``view_geometry``, FloatTensor (V, 7)

    Args:
        transforms (Sequence[Sequence[dict]]): The transforms of each view;
            one of them must be :class:`RandomView` or :class:`CenterView`.
    """

    def __init__(self, transforms: Sequence[Sequence[Any]]) -> None:
        super().__init__()
        self.pipelines = [Compose(pipeline) for pipeline in transforms]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``img`` by the list of its views."""
        # no transform writes into the array it is given
        views = [pipeline(dict(results)) for pipeline in self.pipelines]
        results['img'] = [view['img'] for view in views]
        results['view_geometry'] = torch.stack(
            [view['view_geometry'] for view in views]
        )
        return results


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    height, width = size
    return height, width


def _cut(
    results: dict[str, Any],
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    flip: bool,
) -> dict[str, Any]:
    img = results['img']
    top, left, height, width = box
    pixels = img
    if isinstance(img, JpegImage):
        shrink = min(height / size[0], width / size[1])
        pixels, factor = img.pixels(shrink)
        # the box may move by half a pixel of the reduced picture
        top, left, height, width = (round(side / factor) for side in box)
    view = pixels[top : top + height, left : left + width]
    # cubic interpolation would skip pixels when a side shrinks to half
    halves = height >= 2 * size[0] and width >= 2 * size[1]
    method = cv2.INTER_AREA if halves else cv2.INTER_CUBIC
    view = cv2.resize(view, size[::-1], interpolation=method)
    results['img'] = cv2.flip(view, 1) if flip else view
    results['img_shape'] = size
    results['view_geometry'] = torch.tensor(
        [*box, flip, *img.shape[:2]], dtype=torch.float32
    )
    return results
