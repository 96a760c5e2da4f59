"""Colour augmentations of the two-view pipelines (SiameseIM; M3I uses them).

Brightness, contrast, saturation, hue and greyness are affine in the colour of
a pixel, so any sequence of them is one 3 x 4 matrix, applied in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from m3i_mm.registry import TRANSFORMS

__all__ = ['ColorMatrix', 'RandomBlur']

# weights of blue, green and red in the luminance (ITU-R BT.601)
LUMA = np.array([0.114, 0.587, 0.299])
# (Y, I, Q) from (B, G, R): a rotation of I and Q shifts the hue
YIQ = np.array(
    [LUMA, [-0.3213, -0.2744, 0.5957], [0.3111, -0.5227, 0.2115]],
)
YIQ_INVERSE = np.linalg.inv(YIQ)


@TRANSFORMS.register_module()
class ColorMatrix(BaseTransform):
    """Jitter brightness, contrast, saturation and hue, and turn grey.

    The factors are drawn and their order is shuffled as in the colour jitter
    of torchvision. Two things differ: values are clipped once, at the end,
    and the hue turns in the YIQ plane, which keeps the luminance, instead of
    in HSV.

    **Required Keys:** ``img`` (H, W, 3) BGR

    **Modified Keys:** ``img``

    Args:
        brightness (float): A factor is drawn from
            ``[max(0, 1 - brightness), 1 + brightness]``. Defaults to 0.4.
        contrast (float): Likewise. Defaults to 0.4.
        saturation (float): Likewise. Defaults to 0.2.
        hue (float): The angle is drawn from ``[-hue, hue]`` turns. Defaults
            to 0.1.
        prob (float): Probability of the jitter. Defaults to 0.8.
        gray_prob (float): Probability of a grey result. Defaults to 0.2.
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.2,
        hue: float = 0.1,
        prob: float = 0.8,
        gray_prob: float = 0.2,
    ) -> None:
        super().__init__()
        self.ranges: list[tuple[float, float]] = [
            (max(0.0, 1 - brightness), 1 + brightness),
            (max(0.0, 1 - contrast), 1 + contrast),
            (max(0.0, 1 - saturation), 1 + saturation),
            (-hue, hue),
        ]
        self.prob = prob
        self.gray_prob = gray_prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``img`` by its jittered version."""
        img = results['img']
        matrix = np.eye(4)
        jitter = np.random.rand() < self.prob
        if jitter:
            mean = np.append(np.asarray(cv2.mean(img))[:3], 1.0)
            for step in np.random.permutation(len(STEPS)):
                value = np.random.uniform(*self.ranges[step])
                matrix = STEPS[step](value, matrix @ mean) @ matrix
        gray = np.random.rand() < self.gray_prob
        if gray:
            matrix = saturation_matrix(0.0, matrix[:, 3]) @ matrix
        if jitter or gray:
            results['img'] = cv2.transform(img, matrix[:3].astype(np.float32))
        return results


def brightness_matrix(factor: float, mean: np.ndarray) -> np.ndarray:
    """Scale all colours; (4, 4)."""
    return np.diag([factor, factor, factor, 1])


def contrast_matrix(factor: float, mean: np.ndarray) -> np.ndarray:
    """Scale the distance to the mean luminance of the picture; (4, 4)."""
    matrix = np.diag([factor, factor, factor, 1])
    matrix[:3, 3] = (1 - factor) * (LUMA @ mean[:3])
    return matrix


def saturation_matrix(factor: float, mean: np.ndarray) -> np.ndarray:
    """Scale the distance of each pixel to its luminance; (4, 4)."""
    matrix = np.diag([factor, factor, factor, 1])
    matrix[:3, :3] += (1 - factor) * LUMA
    return matrix


def hue_matrix(turns: float, mean: np.ndarray) -> np.ndarray:
    """Rotate the colours about the grey axis; (4, 4)."""
    cos, sin = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    rotation = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    matrix = np.eye(4)
    matrix[:3, :3] = YIQ_INVERSE @ rotation @ YIQ
    return matrix


STEPS: list[Callable[[float, np.ndarray], np.ndarray]] = [
    brightness_matrix,
    contrast_matrix,
    saturation_matrix,
    hue_matrix,
]


@TRANSFORMS.register_module()
class RandomBlur(BaseTransform):
    """Blur with a Gaussian of random width.

    **Required Keys:** ``img``

    **Modified Keys:** ``img``

    Args:
        sigma (Sequence[float]): Range of the standard deviation in pixels.
            Defaults to (0.1, 2.0).
        prob (float): Probability of blurring. Defaults to 0.5.
    """

    def __init__(
        self, sigma: Sequence[float] = (0.1, 2.0), prob: float = 0.5
    ) -> None:
        super().__init__()
        self.low, self.high = sigma
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``img`` by its blurred version."""
        if np.random.rand() < self.prob:
            sigma = np.random.uniform(self.low, self.high)
            results['img'] = cv2.GaussianBlur(results['img'], (0, 0), sigma)
        return results
