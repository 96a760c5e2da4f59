"""Training curves from the logs that MMEngine writes."""

from __future__ import annotations

import json
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ['draw_curves', 'read_scalars']

Curves = dict[str, dict[int, float]]

# title, label of the x axis, names of the curves; metrics have a slash
PANELS = (
    ('losses', 'iteration', 'loss*'),
    ('effective rank of the features', 'iteration', 'effective_rank'),
    ('validation (%)', 'epoch', '*/*'),
)


def read_scalars(work_dir: str | Path) -> Curves:
    """Read everything that a run logged, resumed parts included.

    Args:
        work_dir (str | Path): Work folder of a run, with one
            ``*/vis_data/scalars.json`` for each time it was started.

    Returns:
        dict[str, dict[int, float]]: Values by name and step; a later start
        overwrites the steps it repeats.

    Raises:
        FileNotFoundError: If there is no log.
    """
    files = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    if not files:
        raise FileNotFoundError(
            f'There is no */vis_data/scalars.json in {work_dir}: is it the '
            'work folder of a run with LocalVisBackend?'
        )
    curves: Curves = defaultdict(dict)
    for file in files:
        for line in file.read_text().splitlines():
            record: dict[str, Any] = json.loads(line)
            step = record.pop('step', None)
            for name, value in record.items():
                if step is not None and isinstance(value, (int, float)):
                    curves[name][step] = value
    return dict(curves)


def draw_curves(work_dir: str | Path, path: str | Path) -> None:
    """Draw losses, collapse monitors and validation results of a run.

    Args:
        work_dir (str | Path): Work folder of the run.
        path (str | Path): PNG file to write.

    Raises:
        FileNotFoundError: If the run left no log.
    """
    curves = read_scalars(work_dir)
    chosen = []
    for title, axis, wanted in PANELS:
        names = sorted(name for name in curves if fnmatch(name, wanted))
        if names:
            chosen.append((title, axis, names))
    figure = Figure(figsize=(5 * len(chosen), 4), layout='constrained')
    axes = figure.subplots(1, len(chosen), squeeze=False)[0]
    for ax, (title, axis, names) in zip(axes, chosen, strict=True):
        _draw_panel(ax, {name: curves[name] for name in names})
        ax.set(title=title, xlabel=axis)
    figure.savefig(path, dpi=110)


def _draw_panel(ax: Axes, curves: Curves) -> None:
    for name, values in curves.items():
        total = name == 'loss'
        ax.plot(
            list(values),
            list(values.values()),
            label=name,
            color='black' if total else None,
            linewidth=2 if total else 1.2,
            marker='o' if len(values) == 1 else None,
        )
    ax.grid(alpha=0.3)
    ax.legend(fontsize=7)
