"""JPEG pictures that are decoded when it is known at which size."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from ..faults import SampleError

try:
    import simplejpeg
except ImportError:  # the same pixels, a quarter slower
    simplejpeg = None

__all__ = ['JpegImage', 'decode_jpeg']

REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def decode_jpeg(
    content: bytes, reduction: int = 1, size: tuple[int, int] | None = None
) -> np.ndarray | None:
    """Decode a JPEG, at a fraction of its size by scaling the DCT.

    Args:
        content (bytes): The encoded picture.
        reduction (int): Its sides are divided by 1, 2, 4 or 8.
        size (tuple[int, int], optional): Height and width of the whole
            picture; needed for a reduction.

    Returns:
        np.ndarray: BGR (H, W, 3) uint8, or None if it cannot be decoded.
    """
    # the orientation that a camera noted is left to OpenCV
    if simplejpeg is not None and b'Exif\0' not in content[:64]:
        height, width = size or (0, 0)
        try:
            return simplejpeg.decode_jpeg(
                content,
                'BGR',
                min_height=-(-height // reduction) if reduction > 1 else 0,
                min_width=-(-width // reduction) if reduction > 1 else 0,
            )
        except ValueError:
            pass  # truncated or unusual: OpenCV reads more of them
    buffer = np.frombuffer(content, np.uint8)
    return cv2.imdecode(buffer, REDUCED[reduction])


class JpegImage:
    """A picture with a known size whose pixels are decoded on demand.

    Args:
        content (bytes): The encoded picture, without a noted orientation.
        key (str): The sample, for messages.

    Attributes:
        shape (tuple[int, int, int]): Height, width and 3 channels.

    Raises:
        SampleError: If the header cannot be read.
    """

    def __init__(self, content: bytes, key: str) -> None:
        self.content = content
        self.key = key
        try:
            width, height = Image.open(io.BytesIO(content)).size
        except (OSError, ValueError) as error:
            raise SampleError('image', key, str(error)) from error
        self.shape = height, width, 3
        self._decoded: dict[int, np.ndarray] = {}

    def pixels(self, shrink: float) -> tuple[np.ndarray, int]:
        """Decode at the smallest size that a crop needs.

        Args:
            shrink (float): How much smaller the crop is to become.

        Returns:
            tuple[np.ndarray, int]: BGR pixels, and how much smaller they are
            than the picture: 1, 2, 4 or 8, at most ``shrink``.

        Raises:
            SampleError: If the picture cannot be decoded.
        """
        wanted = max(r for r in REDUCED if r <= max(shrink, 1))
        # what another view has decoded will do if it is no smaller
        known = [r for r in self._decoded if r <= wanted]
        if known:
            return self._decoded[max(known)], max(known)
        pixels = decode_jpeg(self.content, wanted, self.shape[:2])
        if pixels is None:
            raise SampleError('image', self.key, 'cannot decode the JPEG')
        self._decoded[wanted] = pixels
        return pixels, wanted
