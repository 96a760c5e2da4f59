"""From npm packages to the finished folder of the emoji data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .build import build_emoji
from .notices import write_notices
from .npm import NpmPackage
from .packages import HELDOUT_VENDOR, LICENSE_TEXTS, TEXTS, VENDORS
from .texts import read_texts


def convert_packages(
    locate: Callable[[NpmPackage], Path], output: Path, size: int = 96
) -> dict[str, Any]:
    """Build the emoji data set with its notices.

    Args:
        locate (Callable[[NpmPackage], Path]): Finds the verified file of a
            package, e.g. ``lambda package: package.fetch(cache)``.
        output (Path): Folder to write to; created if needed.
        size (int): Edge of the pictures in pixels. Defaults to 96.

    Returns:
        dict: The content of ``meta.json``.

    Raises:
        PackageError: If a package or the renderer is missing.
    """
    sources = [TEXTS, LICENSE_TEXTS, *(vendor.package for vendor in VENDORS)]
    files = {package.name: locate(package) for package in sources}
    meta = build_emoji(
        texts=read_texts(files[TEXTS.name]),
        pictures={
            vendor.name: vendor.read(files[vendor.package.name])
            for vendor in VENDORS
        },
        heldout_vendor=HELDOUT_VENDOR,
        sources={package.name: package.version for package in sources},
        output=output,
        size=size,
    )
    write_notices(output, files, meta)
    return meta
