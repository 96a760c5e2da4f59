"""The table and the pictures of the downstream demo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

_TITLE_HEIGHT = 16


def print_table(results: dict[str, dict[str, float]]) -> None:
    """Print the metrics of all initialisations side by side.

    Args:
        results (dict[str, dict[str, float]]): Percentages by initialisation
            and metric.
    """
    names = list(next(iter(results.values())))
    table = Table('initialisation', title='emoji scenes, test split (%)')
    for name in names:
        table.add_column(name, justify='right')
    for initialization, metrics in results.items():
        table.add_row(
            initialization, *(f'{metrics[name]:.1f}' for name in names)
        )
    Console(width=100).print(table)


def draw_predictions(
    work_dirs: dict[str, Path], path: Path, rows: int = 6
) -> None:
    """Draw truth and predictions of several runs side by side.

    Args:
        work_dirs (dict[str, Path]): Work folder by title of the column. The
            runs saw the same scenes in the same order.
        path (Path): PNG file to write.
        rows (int): Number of scenes. Defaults to 6.

    Raises:
        FileNotFoundError: If a run drew nothing.
    """
    drawn = [_drawn_scenes(folder)[:rows] for folder in work_dirs.values()]
    # a visualisation hook draws the truth on the left half
    pictures = [
        [_half(scenes[0], 0), *(_half(scene, 1) for scene in scenes)]
        for scenes in zip(*drawn, strict=True)
    ]
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in pictures])
    titles = ['truth', *work_dirs]
    Image.fromarray(np.concatenate([_title_row(titles, sheet), sheet])).save(
        path
    )


def _drawn_scenes(work_dir: Path) -> list[np.ndarray]:
    starts = sorted(work_dir.glob('*/vis_data/vis_image'))
    if not starts:
        raise FileNotFoundError(f'{work_dir} holds no drawn predictions')
    files = sorted(starts[-1].glob('val*.png'), key=_step)
    return [np.asarray(Image.open(file).convert('RGB')) for file in files]


def _step(file: Path) -> int:
    return int(file.stem.rpartition('_')[2])


def _half(picture: np.ndarray, side: int) -> np.ndarray:
    width = picture.shape[1] // 2
    return picture[:, side * width : (side + 1) * width]


def _title_row(titles: Sequence[str], sheet: np.ndarray) -> np.ndarray:
    row = Image.new('RGB', (sheet.shape[1], _TITLE_HEIGHT), 'white')
    draw = ImageDraw.Draw(row)
    for index, title in enumerate(titles):
        left = index * sheet.shape[1] // len(titles)
        draw.text((left + 4, 2), title, fill='black')
    return np.asarray(row)
