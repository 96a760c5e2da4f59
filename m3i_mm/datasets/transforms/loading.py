"""From bytes to a picture without transparency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from m3i_mm.registry import TRANSFORMS

from ..faults import SampleError
from ..images import (
    MAX_PIXELS,
    decode,
    read_header,
    read_image_file,
)
from .jpeg import JpegImage

__all__ = ['Background', 'DecodeImage', 'require_three_channels']


@TRANSFORMS.register_module()
class DecodeImage(BaseTransform):
    """Decode a picture to BGR, or to BGRA where it is transparent.

    **Required Keys:** ``img_bytes`` or ``img_path``, ``sample_key``

    **Added Keys:** ``img`` (H, W, 3 or 4) uint8, ``img_shape`` and
    ``ori_shape`` (H, W)

    See :func:`~m3i_mm.datasets.images.decode` for what becomes of
    grey values, depths, palettes, orientations and transparency.

    Args:
        reduce (bool): Leave JPEG pictures encoded until the views are cut,
            which then decode them at half, a quarter or an eighth of their
            size where the view is smaller still. All other transforms come
            after the cut. Defaults to False.
        max_pixels (int): Larger pictures are faults: a header of a few bytes
            can ask for any amount of memory. Defaults to 89 million.
    """

    def __init__(
        self, reduce: bool = False, max_pixels: int = MAX_PIXELS
    ) -> None:
        super().__init__()
        self.reduce = reduce
        self.max_pixels = max_pixels

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Decode ``img_bytes``, or the file ``img_path``.

        Raises:
            SampleError: If there is no picture, it cannot be decoded, or it
                is too large.
        """
        img = results.get('img')
        if img is None:
            img = self._decode(
                _content(results, self.max_pixels), results['sample_key']
            )
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    def _decode(self, content: bytes, key: str) -> np.ndarray | JpegImage:
        if self.reduce:
            header = read_header(content, key, self.max_pixels)
            if header.plain_jpeg:
                return JpegImage(content, (header.height, header.width), key)
        return decode(content, key, self.max_pixels)


def _content(results: dict[str, Any], max_pixels: int) -> bytes:
    if 'img_bytes' in results:
        return results.pop('img_bytes')
    key = results['sample_key']
    if 'img_path' not in results:
        raise SampleError('image', key, 'the sample has no picture')
    return read_image_file(results['img_path'], key, max_pixels)


@TRANSFORMS.register_module()
class Background(BaseTransform):
    """Put a colour behind a transparent picture.

    **Required Keys:** ``img``

    **Modified Keys:** ``img``, (H, W, 3) afterwards

    Used inside one view it gives every view its own background.

    Args:
        color (Sequence[int], optional): Blue, green, red in [0, 255].
            Defaults to None: a random colour.
    """

    def __init__(self, color: Sequence[int] | None = None) -> None:
        super().__init__()
        self.color = color

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Blend ``img`` over the colour; three channels stay as they are."""
        img = results['img']
        if img.shape[2] == 3:
            return results
        drawn = self.color is None
        color = np.random.randint(0, 256, 3) if drawn else self.color
        # what shows of the colour, by the opacity of the pixel: (1, 256, 3)
        visible = (255 - np.arange(256)[None, :, None]) * np.array(color) / 255
        alpha = cv2.cvtColor(cv2.extractChannel(img, 3), cv2.COLOR_GRAY2BGR)
        weighted = cv2.cvtColor(img, cv2.COLOR_RGBA2mRGBA)
        results['img'] = cv2.add(
            cv2.cvtColor(weighted, cv2.COLOR_BGRA2BGR),
            cv2.LUT(alpha, visible.round().astype(np.uint8)),
        )
        return results


def require_three_channels(results: dict[str, Any], step: str) -> None:
    """Complain about a transparent picture that nothing was put behind.

    Args:
        results (dict): The sample.
        step (str): The transform that cannot work on transparency.

    Raises:
        ValueError: If ``img`` has not exactly three channels.
    """
    channels = results['img'].shape[2]
    if channels != 3:
        raise ValueError(
            f'The picture of sample {results.get("sample_key")!r} has '
            f'{channels} channels at {step}: it is transparent. Put '
            "dict(type='m3i_mm.Background') before it for a random "
            'background, with color=(255, 255, 255) for a white one.'
        )
