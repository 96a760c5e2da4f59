"""Predict many image files and write what was found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import mmcv
from tqdm.auto import tqdm

from m3i_mm.datasets.images import IMAGE_SUFFIXES
from m3i_mm.runs.console import quietly

from .prediction import ImageError, Predictor

__all__ = ['collect_images', 'predict_files']


def collect_images(paths: Iterable[Path], out: Path) -> dict[Path, Path]:
    """Assign an output file to every image.

    Args:
        paths (Iterable[Path]): Image files and folders, which are searched
            with their sub-folders.
        out (Path): Folder for the pictures.

    Returns:
        dict[Path, Path]: Picture to write by image file.

    Raises:
        FileNotFoundError: If a path does not exist or a folder has no image.
        ValueError: If two images would be written to one file, or one over
            its source.
    """
    targets: dict[Path, Path] = {}
    for path in paths:
        for image, name in _images_below(path):
            target = out / name
            if target in targets.values():
                raise ValueError(
                    f'two images would be written to {target}: rename one or '
                    'predict them apart'
                )
            if target.resolve() == image.resolve():
                raise ValueError(
                    f'{image} would be overwritten: choose another --out'
                )
            targets[image] = target
    return targets


def _images_below(path: Path) -> list[tuple[Path, Path]]:
    """List the image files of a path, with their names below it."""
    if path.is_file():
        return [(path, Path(path.name))]
    if not path.is_dir():
        raise FileNotFoundError(f'{path} does not exist')
    images = [
        (image, image.relative_to(path))
        for image in sorted(path.rglob('*'))
        if image.suffix.lower() in IMAGE_SUFFIXES and not image.is_dir()
    ]
    if not images:
        raise FileNotFoundError(
            f'{path} holds no image ({", ".join(IMAGE_SUFFIXES)})'
        )
    return images


def predict_files(
    predictor: Predictor, paths: Sequence[Path], out: Path
) -> dict[str, str]:
    """Predict images, with a progress bar.

    Every image is drawn under its own name into ``out``, and
    ``out/predictions.json`` tells the results by image file. An image that
    cannot be read is left out, and the others go on.

    Args:
        predictor (Predictor): What to run.
        paths (Sequence[Path]): Image files and folders.
        out (Path): Folder to write to; created if needed.

    Returns:
        dict[str, str]: What was wrong, by image file that was left out.

    Raises:
        FileNotFoundError: If a path does not exist or a folder has no image.
        ValueError: If two images would be written to one file, or one over
            its source.
    """
    results: dict[str, Any] = {}
    broken: dict[str, str] = {}
    targets = collect_images(paths, out).items()
    for image, target in tqdm(targets, 'Images', disable=None):
        try:
            # inferencers draw bars, and warn of boxes that cross the border
            with quietly():
                prediction = predictor(image)
        except ImageError as error:
            broken[str(image)] = str(error)
            continue
        results[str(image)] = prediction.result
        target.parent.mkdir(parents=True, exist_ok=True)
        mmcv.imwrite(prediction.picture[..., ::-1], str(target))
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False)
    # a file name that is not in UTF-8 becomes the escapes of JSON
    (out / 'predictions.json').write_text(
        text + '\n', encoding='utf-8', errors='backslashreplace'
    )
    return broken
