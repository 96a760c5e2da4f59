"""Small charts as SVG that follow the page's colours."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib.figure import Figure

__all__ = ['COLORS', 'draw_chart']

# Okabe and Ito's palette, which colour-blind readers tell apart
COLORS = (
    '#0072b2',
    '#d55e00',
    '#009e73',
    '#cc79a7',
    '#e69f00',
    '#56b4e9',
)
# drawn instead of the colour of the text, then replaced by it
_TEXT = '#010203'
_STYLE: dict[Any, Any] = {
    'svg.fonttype': 'none',
    'font.family': 'sans-serif',
    'font.size': 9,
    'text.color': _TEXT,
    'axes.labelcolor': _TEXT,
    'axes.edgecolor': _TEXT,
    'xtick.color': _TEXT,
    'ytick.color': _TEXT,
}


def draw_chart(
    curves: Mapping[str, Mapping[int, float]], title: str, xlabel: str
) -> str:
    """Draw one quantity, a line for each run.

    Args:
        curves (Mapping): Values by run and step.
        title (str): Name of the quantity.
        xlabel (str): What the steps count.

    Returns:
        str: An ``<svg>`` element whose text has the colour of the text
        around it. Lines are coloured in the order of :data:`COLORS`.
    """
    with matplotlib.rc_context({**_STYLE, 'svg.hashsalt': title}):
        figure = Figure(figsize=(3.6, 2.3), layout='constrained')
        ax = figure.subplots()
        for number, values in enumerate(curves.values()):
            steps = sorted(values)
            ax.plot(
                steps,
                [values[step] for step in steps],
                color=COLORS[number % len(COLORS)],
                marker='o' if len(steps) == 1 else None,
                markersize=4,
                linewidth=1.5,
            )
        ax.set_title(title, fontsize=9)
        ax.set_xlabel(xlabel, fontsize=8)
        ax.grid(alpha=0.25)
        ax.spines[['top', 'right']].set_visible(False)
        text = io.StringIO()
        figure.savefig(
            text, format='svg', transparent=True, metadata={'Date': None}
        )
    svg = text.getvalue()
    return svg[svg.index('<svg') :].replace(_TEXT, 'currentColor')
