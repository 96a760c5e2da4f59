"""Pictures of emoji by vendor, read from npm packages and rendered."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from .npm import PackageError, read_member, read_members


def join_key(hexcode: str) -> str:
    """Reduce a hexcode to what all vendors agree on.

    They differ in upper case and in where they write the variation selector
    (``fe0f``) and the zero-width joiner (``200d``).

    Args:
        hexcode (str): Code points in hexadecimals joined by ``-``.

    Returns:
        str: Lower-case code points without those two.
    """
    codes = hexcode.lower().split('-')
    return '-'.join(code for code in codes if code not in ('fe0f', '200d'))


def render_svg(content: bytes, size: int) -> Image.Image:
    """Render a square SVG.

    Args:
        content (bytes): SVG document.
        size (int): Edge of the picture in pixels.

    Returns:
        Image.Image: RGBA picture of ``size x size``.

    Raises:
        PackageError: If the renderer is not installed.
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise PackageError(
            'rendering SVG needs resvg-py: pip install "m3i_mm[data]"'
        ) from error
    # system fonts would make the result depend on the machine
    png = svg_to_bytes(
        svg_string=content.decode(),
        width=size,
        height=size,
        skip_system_fonts=True,
    )
    return Image.open(io.BytesIO(png)).convert('RGBA')


def decode_bitmap(content: bytes, size: int) -> Image.Image:
    """Decode a bitmap and scale it into a transparent square.

    Args:
        content (bytes): Picture file, e.g. WebP with transparency.
        size (int): Edge of the square in pixels.

    Returns:
        Image.Image: RGBA picture of ``size x size``.
    """
    picture = Image.open(io.BytesIO(content)).convert('RGBA')
    scale = size / max(picture.size)
    width, height = (max(1, round(edge * scale)) for edge in picture.size)
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    square = Image.new('RGBA', (size, size))
    square.paste(picture, ((size - width) // 2, (size - height) // 2))
    return square


class PictureSet:
    """Pictures of one vendor.

    Args:
        sources (dict[str, bytes]): Picture files by hexcode, in any spelling
            that :func:`join_key` reduces.
        decode (Callable[[bytes, int], Image.Image]): Turns a file into an
            RGBA picture of the given edge in pixels.
    """

    def __init__(
        self,
        sources: dict[str, bytes],
        decode: Callable[[bytes, int], Image.Image],
    ) -> None:
        self._sources = {join_key(k): v for k, v in sources.items()}
        self._decode = decode

    def __contains__(self, hexcode: str) -> bool:
        return join_key(hexcode) in self._sources

    def draw(self, hexcode: str, size: int) -> Image.Image:
        """Draw one emoji.

        Args:
            hexcode (str): Code points in hexadecimals joined by ``-``.
            size (int): Edge of the picture in pixels.

        Returns:
            Image.Image: RGBA picture of ``size x size``.
        """
        return self._decode(self._sources[join_key(hexcode)], size)


def iconify_pictures(package: Path) -> PictureSet:
    """Read the SVG bodies of an ``@iconify-json`` package.

    Args:
        package (Path): ``.tgz`` file with ``icons.json`` and ``chars.json``.

    Returns:
        PictureSet: The pictures that have a code point.
    """
    icons = json.loads(read_member(package, 'icons.json'))
    chars = json.loads(read_member(package, 'chars.json'))
    sources = {
        hexcode: _iconify_svg(icons['icons'][name], icons).encode()
        for hexcode, name in chars.items()
    }
    return PictureSet(sources, render_svg)


def _iconify_svg(icon: dict[str, Any], defaults: dict[str, Any]) -> str:
    # an icon overrides the geometry of its set
    left, top, width, height = (
        icon.get(key, defaults.get(key, fallback))
        for key, fallback in (
            ('left', 0),
            ('top', 0),
            ('width', 16),
            ('height', 16),
        )
    )
    edge = max(width, height)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{edge}" height="{edge}" '
        f'viewBox="{left} {top} {width} {height}">{icon["body"]}</svg>'
    )


def svg_pictures(package: Path, folder: str) -> PictureSet:
    """Read SVG files named by hexcode.

    Args:
        package (Path): ``.tgz`` file.
        folder (str): Folder of the files inside the package.

    Returns:
        PictureSet: The pictures.
    """
    return PictureSet(_files_by_stem(package, folder), render_svg)


def bitmap_pictures(package: Path, folder: str) -> PictureSet:
    """Read bitmap files named by hexcode.

    Args:
        package (Path): ``.tgz`` file.
        folder (str): Folder of the files inside the package.

    Returns:
        PictureSet: The pictures.
    """
    return PictureSet(_files_by_stem(package, folder), decode_bitmap)


def _files_by_stem(package: Path, folder: str) -> dict[str, bytes]:
    return {
        Path(path).stem: content
        for path, content in read_members(package, folder)
    }
