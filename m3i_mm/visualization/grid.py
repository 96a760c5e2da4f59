"""Rows of captioned pictures, some of them framed, as one PNG file."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ['RIGHT', 'WRONG', 'Panel', 'draw_grid']

# tell right from wrong apart for colour-blind readers as well
RIGHT = '#1b7f5c'
WRONG = '#d95f02'


@dataclasses.dataclass
class Panel:
    """One cell of the grid.

    Attributes:
        picture (np.ndarray, optional): RGB, (H, W, 3), uint8. None leaves
            the cell to the caption.
        caption (str): Written below the picture, or in its place.
        color (str, optional): Colour of the frame, or of a caption that
            stands alone.
    """

    picture: np.ndarray | None = None
    caption: str = ''
    color: str | None = None


def draw_grid(
    rows: Sequence[Sequence[Panel]],
    path: str | Path | BinaryIO,
    titles: Sequence[str] = (),
    caption_width: int = 18,
) -> None:
    """Draw rows of panels.

    Args:
        rows (Sequence[Sequence[Panel]]): Panels of every row; a short row
            leaves its last cells empty.
        path (str | Path | BinaryIO): PNG file to write, or a stream.
        titles (Sequence[str]): Titles of the columns.
        caption_width (int): Letters in a line of a caption.

    Raises:
        ValueError: If there is no row.
    """
    if not rows:
        raise ValueError('There is no row to draw.')
    columns = max(len(row) for row in rows)
    captioned = any(panel.caption for row in rows for panel in row)
    height = 1.85 if captioned else 1.5  # inches
    figure = Figure(
        figsize=(1.5 * columns, height * len(rows)), layout='constrained'
    )
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, fontsize=9)
    for row, cells in zip(rows, axes, strict=True):
        for ax in cells:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        for panel, ax in zip(row, cells, strict=False):
            _draw_panel(panel, ax, caption_width)
    figure.savefig(path, format='png', dpi=110)


def _draw_panel(panel: Panel, ax: Axes, caption_width: int) -> None:
    caption = textwrap.fill(
        textwrap.shorten(panel.caption, 3 * caption_width, placeholder=' ...'),
        caption_width,
    )
    if panel.picture is None:
        color = panel.color or 'black'
        ax.text(
            0.5,
            0.5,
            caption,
            ha='center',
            va='center',
            fontsize=7,
            color=color,
            fontweight='bold' if color == RIGHT else 'normal',
        )
        return
    ax.imshow(panel.picture, interpolation='nearest')
    ax.set_xlabel(caption, fontsize=7)
    if panel.color is not None:
        ax.spines[:].set(visible=True, color=panel.color, linewidth=2.5)
