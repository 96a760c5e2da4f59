"""What counts as a picture, and its pixels as a person sees them."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from .faults import SampleError, as_fault

try:
    import simplejpeg
except ImportError:  # the same pixels, a quarter slower
    simplejpeg = None

__all__ = [
    'IMAGE_SUFFIXES',
    'MAX_PIXELS',
    'REDUCTIONS',
    'ImageHeader',
    'decode',
    'decode_jpeg',
    'read_header',
    'read_image_file',
]

# what Pillow begins to warn of: 89 million pixels, 268 MB in colour
MAX_PIXELS = 1024**3 // 4 // 3

# the formats that are read, and how their files are called; the first suffix
# of each is the one that is written
FORMATS = {
    'JPEG': ('.jpg', '.jpeg', '.jpe', '.jfif'),
    'PNG': ('.png',),
    'WEBP': ('.webp',),
    'BMP': ('.bmp',),
    'TIFF': ('.tif', '.tiff'),
    'GIF': ('.gif',),
    'AVIF': ('.avif',),
    'HEIF': ('.heic', '.heif'),
    'JPEG2000': ('.jp2',),
    'PPM': ('.ppm', '.pgm', '.pbm'),
}
IMAGE_SUFFIXES = tuple(
    suffix for names in FORMATS.values() for suffix in names
)

# tags of TIFF and EXIF
ORIENTATION, BITS_PER_SAMPLE, PHOTOMETRIC = 0x0112, 258, 262
WHITE_IS_ZERO = 0
# how the rows and columns of an EXIF orientation are put upright
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# how many times smaller OpenCV makes a JPEG
REDUCTIONS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


class ImageHeader(NamedTuple):
    """What is known of a picture before it is decoded.

    Attributes:
        width (int): In pixels, as stored.
        height (int): In pixels, as stored.
        suffix (str): How a file of its format is called, ``'.jpg'`` ...
        plain_jpeg (bool): Whether it is a grey or YCbCr JPEG that is stored
            upright, which decodes at a fraction of its size.
    """

    width: int
    height: int
    suffix: str
    plain_jpeg: bool


def read_header(
    content: bytes, key: str, max_pixels: int = MAX_PIXELS
) -> ImageHeader:
    """Read the header of a picture.

    Args:
        content (bytes): An encoded picture.
        key (str): The sample, for messages.
        max_pixels (int): See :func:`decode`.

    Returns:
        ImageHeader: Its size and kind.

    Raises:
        SampleError: If it is no picture, or too large.
    """
    with _opened(content, key, max_pixels) as image:
        return _header(image)


def decode(
    content: bytes, key: str, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Decode a picture to what a person sees.

    The orientation that a camera noted is applied, 16 bits become 8, grey
    values, palettes and CMYK become colours, of an animation the first frame
    is taken, and an alpha channel that hides nothing goes.

    Args:
        content (bytes): An encoded picture: JPEG, PNG, WebP, BMP, TIFF, GIF,
            AVIF, JPEG 2000, PPM, and HEIF where ``pillow_heif`` is installed.
        key (str): The sample, for messages.
        max_pixels (int): Larger pictures are refused by their header, before
            memory is taken for them. Defaults to 89 million.

    Returns:
        np.ndarray: BGR (H, W, 3) or, where transparent, BGRA (H, W, 4) uint8.

    Raises:
        SampleError: If it cannot be decoded, is too large, or has pixels of
            32 bits, for which no brightness is agreed on.
    """
    with _opened(content, key, max_pixels) as image:
        if _header(image).plain_jpeg:
            img = decode_jpeg(content)
            if img is None:
                raise SampleError('image', key, 'cannot decode the JPEG')
            return img
        return _to_bgr(image, key)


def decode_jpeg(
    content: bytes, reduction: int = 1, size: tuple[int, int] | None = None
) -> np.ndarray | None:
    """Decode a JPEG as it is stored, at a fraction of its size by its DCT.

    Args:
        content (bytes): The encoded picture.
        reduction (int): Its sides are divided by 1, 2, 4 or 8.
        size (tuple[int, int], optional): Height and width of the whole
            picture; needed for a reduction.

    Returns:
        np.ndarray: BGR (H, W, 3) uint8, or None if it cannot be decoded.
    """
    if simplejpeg is not None:
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
    return cv2.imdecode(
        buffer, REDUCTIONS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    )


def read_image_file(
    path: str, key: str, max_pixels: int = MAX_PIXELS
) -> bytes:
    """Read a file that is to hold a picture.

    Args:
        path (str): The file.
        key (str): The sample, for messages.
        max_pixels (int): A file of more than eight bytes for each of them is
            not read.

    Returns:
        bytes: Its content.

    Raises:
        SampleError: If it cannot be read, or is a pipe or a device, which
            might have no end.
    """
    with as_fault('image', key), open(path, 'rb', opener=_open) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise SampleError('image', key, f'{path} is no regular file')
        if status.st_size > 8 * max_pixels:
            raise SampleError(
                'image',
                key,
                f'{path} has {status.st_size} bytes, too many for '
                f'max_pixels={max_pixels}',
            )
        return file.read()


def _open(path: str, flags: int) -> int:
    # opening a pipe would wait for a writer
    return os.open(path, flags | getattr(os, 'O_NONBLOCK', 0))


@contextmanager
def _opened(
    content: bytes, key: str, max_pixels: int
) -> Iterator[Image.Image]:
    with as_fault('image', key), _own_limit():
        if not content:
            raise SampleError('image', key, 'the file is empty')
        try:
            image = Image.open(io.BytesIO(content), formats=_formats())
        except UnidentifiedImageError:
            raise SampleError(
                'image',
                key,
                f'{len(content)} bytes that are no picture of a '
                'known format, or one that is damaged at its beginning',
            ) from None
        with image:
            if image.width * image.height > max_pixels:
                raise SampleError(
                    'image',
                    key,
                    f'{image.width} x {image.height} pixels, '
                    f'more than max_pixels={max_pixels}',
                )
            yield image


@contextmanager
def _own_limit() -> Iterator[None]:
    """Lift Pillow's limit, which is one of the whole process."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@cache
def _formats() -> tuple[str, ...]:
    """The formats that Pillow can read here.

    Others are left out on purpose: PostScript would start a program.
    """
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _header(image: Image.Image) -> ImageHeader:
    # some cameras put several pictures into one JPEG
    name = 'JPEG' if image.format == 'MPO' else image.format or ''
    plain = (
        name == 'JPEG'
        and image.mode in ('L', 'RGB')
        and _orientation(image) == 1
    )
    return ImageHeader(image.width, image.height, FORMATS[name][0], plain)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # a picture with damaged notes is a picture
        return 1


def _to_bgr(image: Image.Image, key: str) -> np.ndarray:
    """Return the pixels of any picture that Pillow has opened."""
    image.load()
    # before it is turned, which loses what the file says of itself
    depth = _depth(image, key)
    # Pillow turns 8 bits round itself, more it does not
    tags = getattr(image, 'tag_v2', {})
    white_is_zero = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    turn = TURNS.get(_orientation(image))
    upright = image if turn is None else image.transpose(turn)
    if depth > 8:
        grey = (np.asarray(upright) >> depth - 8).astype(np.uint8)
        if white_is_zero:
            grey = 255 - grey
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    if not image.has_transparency_data:
        img = np.asarray(upright.convert('RGB'))
        return cv2.cvtColor(img, cv2.COLOR_RGB2BGR)
    img = np.asarray(upright.convert('RGBA'))
    opaque = (img[..., 3] == 255).all()
    code = cv2.COLOR_RGBA2BGR if opaque else cv2.COLOR_RGBA2BGRA
    return cv2.cvtColor(img, code)


def _depth(image: Image.Image, key: str) -> int:
    """The bits of a grey value, or 8 where Pillow makes them 8 itself."""
    if image.mode.startswith('I;16'):
        tags = getattr(image, 'tag_v2', {})
        return tags.get(BITS_PER_SAMPLE, (16,))[0]
    if image.mode == 'I' and image.format in ('PNG', 'PPM'):
        return 16  # older releases of Pillow
    if image.mode in ('I', 'F'):
        raise SampleError(
            'image',
            key,
            'its pixels have 32 bits, for which no brightness '
            'is agreed on: save it with 8 or 16 bits',
        )
    return 8
