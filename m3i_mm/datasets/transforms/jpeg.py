"""JPEG pictures that are decoded when it is known at which size."""

from __future__ import annotations

import numpy as np

from ..faults import SampleError, as_fault
from ..images import REDUCTIONS, decode_jpeg

__all__ = ['JpegImage']


class JpegImage:
    """A picture with a known size whose pixels are decoded on demand.

    Args:
        content (bytes): The encoded picture, stored upright.
        size (tuple[int, int]): Its height and width.
        key (str): The sample, for messages.

    Attributes:
        shape (tuple[int, int, int]): Height, width and 3 channels.
    """

    def __init__(
        self, content: bytes, size: tuple[int, int], key: str
    ) -> None:
        self.content = content
        self.key = key
        self.shape = *size, 3
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
        wanted = max(r for r in REDUCTIONS if r <= max(shrink, 1))
        # what another view has decoded will do if it is no smaller
        known = [r for r in self._decoded if r <= wanted]
        if known:
            return self._decoded[max(known)], max(known)
        with as_fault('image', self.key):
            pixels = decode_jpeg(self.content, wanted, self.shape[:2])
        if pixels is None:
            raise SampleError('image', self.key, 'cannot decode the JPEG')
        self._decoded[wanted] = pixels
        return pixels, wanted
