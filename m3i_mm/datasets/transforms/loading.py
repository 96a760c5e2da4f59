"""From bytes to a picture without transparency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from m3i_mm.registry import TRANSFORMS

from ..faults import SampleError
from .jpeg import JpegImage, decode_jpeg

__all__ = ['Background', 'DecodeImage', 'require_three_channels']


@TRANSFORMS.register_module()
class DecodeImage(BaseTransform):
    """Decode a picture to BGR, or to BGRA where it is transparent.

    **Required Keys:** ``img_bytes`` or ``img_path``, ``sample_key``

    **Added Keys:** ``img`` (H, W, 3 or 4) uint8, ``img_shape`` and
    ``ori_shape`` (H, W)

    Grey pictures get three channels, 16 bits become 8, the orientation that a
    camera noted is applied, and an alpha channel that hides nothing goes.

    Args:
        reduce (bool): Leave JPEG pictures encoded until the views are cut,
            which then decode them at half, a quarter or an eighth of their
            size where the view is smaller still. All other transforms come
            after the cut. Defaults to False.
    """

    def __init__(self, reduce: bool = False) -> None:
        super().__init__()
        self.reduce = reduce

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Decode ``img_bytes``, or the file ``img_path``.

        Raises:
            SampleError: If there is no picture or it cannot be decoded.
        """
        img = results.get('img')
        if img is None:
            content = _content(results)
            lazy = self.reduce and _is_plain_jpeg(content)
            make = JpegImage if lazy else decode
            img = make(content, results['sample_key'])
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results


def _content(results: dict[str, Any]) -> bytes:
    if 'img_bytes' in results:
        return results.pop('img_bytes')
    key = results['sample_key']
    if 'img_path' not in results:
        raise SampleError('image', key, 'the sample has no picture')
    try:
        with open(results['img_path'], 'rb') as file:
            return file.read()
    except OSError as error:
        raise SampleError('image', key, str(error)) from error


def _is_plain_jpeg(content: bytes) -> bool:
    """Whether it is a JPEG without a noted orientation."""
    return content[:2] == b'\xff\xd8' and b'Exif\0' not in content[:64]


def decode(content: bytes, key: str) -> np.ndarray:
    """Decode a picture.

    Args:
        content (bytes): An encoded picture (JPEG, PNG, WebP ...).
        key (str): The sample, for the message.

    Returns:
        np.ndarray: BGR (H, W, 3) or, where transparent, BGRA (H, W, 4) uint8.

    Raises:
        SampleError: If it cannot be decoded.
    """
    img = None
    if content:
        buffer = np.frombuffer(content, np.uint8)
        try:
            if content[:2] == b'\xff\xd8':
                img = decode_jpeg(content)
            else:
                img = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise SampleError('image', key, str(error)) from error
    if img is None:
        raise SampleError('image', key, f'cannot decode {len(content)} bytes')
    return _eight_bit_color(img)


def _eight_bit_color(img: np.ndarray) -> np.ndarray:
    if img.dtype == np.uint16:
        img = (img >> 8).astype(np.uint8)
    if img.ndim == 2:
        return cv2.cvtColor(img, cv2.COLOR_GRAY2BGR)
    if img.shape[2] == 4 and (img[..., 3] == 255).all():
        return np.ascontiguousarray(img[..., :3])
    return img


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
