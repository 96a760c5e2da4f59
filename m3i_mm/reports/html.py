"""Write a report of one or several runs as one self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timezone
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Any

from m3i_mm.version import __version__

from .charts import COLORS, draw_chart
from .run_folder import RunFolder, read_run

__all__ = ['write_html_report']

# title, unit of the steps, names of the curves
SECTIONS = (
    ('Losses', 'iteration', ('loss', 'loss_*')),
    ('Collapse monitors', 'iteration', ('effective_rank', 'feature_std')),
    (
        'Learning rate, weights, temperatures',
        'iteration',
        ('lr', 'weight_*', 'temperature_*', 'variance_*', 'grad_norm'),
    ),
    ('Validation (%)', 'epoch', ('*/*',)),
)
# rows of the comparison of settings that are not settings
_INCIDENTAL = ('work_dir', 'resume', 'load_from', 'launcher')


def write_html_report(folders: Sequence[str | Path], path: str | Path) -> Path:
    """Write a report of runs, side by side.

    Args:
        folders (Sequence[str | Path]): Work folders.
        path (str | Path): HTML file to write; its folder is created.

    Returns:
        Path: The file. It needs nothing beside it and no network.

    Raises:
        RunFolderError: If a folder is not that of a run.
        ValueError: If no folder or the same one twice is given, or a file in
            one is damaged.
    """
    if not folders:
        raise ValueError('A report needs the work folder of a run')
    resolved = [Path(folder).resolve() for folder in folders]
    if len(set(resolved)) < len(resolved):
        raise ValueError('A report cannot show the same run twice')
    runs = _distinct_names([read_run(folder) for folder in folders])
    text = _template().render(
        runs=runs,
        colors=[COLORS[i % len(COLORS)] for i in range(len(runs))],
        sections=_charts(runs),
        table=_table(runs),
        differences=_differences(runs),
        picture=_data_uri,
        latest=_latest,
        version=__version__,
        date=datetime.now(timezone.utc).isoformat(' ', 'minutes')[:16],
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf8')
    return path


def _template() -> Any:
    from jinja2 import DictLoader, Environment, StrictUndefined

    folder = files('m3i_mm.reports') / 'templates'
    sources = {
        name: (folder / name).read_text(encoding='utf8')
        for name in ('report.html.jinja', 'style.css')
    }
    environment = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template('report.html.jinja')


def _distinct_names(runs: list[RunFolder]) -> list[RunFolder]:
    """Call runs by their paths if their folders have the same name."""
    names = [run.name for run in runs]
    for run in runs:
        if names.count(run.name) > 1:
            run.name = str(run.path)
    return runs


def _charts(runs: list[RunFolder]) -> list[tuple[str, list[str]]]:
    """Draw a chart for every quantity, by section."""
    names = dict.fromkeys(name for run in runs for name in run.curves)
    sections = []
    for title, unit, patterns in SECTIONS:
        chosen = [
            name
            for pattern in patterns
            for name in sorted(names)
            if fnmatch(name, pattern)
        ]
        charts = [
            draw_chart(
                {run.name: run.curves.get(name, {}) for run in runs},
                name,
                unit,
            )
            for name in chosen
        ]
        if charts:
            sections.append((title, charts))
    return sections


def _table(runs: list[RunFolder]) -> dict[str, Any]:
    """Join the tables of all runs: rows are metrics, columns are models."""
    columns: dict[str, dict[str, float]] = {}
    for run in runs:
        for model, row in run.results.items():
            alone = len(runs) == 1
            columns[model if alone else f'{run.name}: {model}'] = row
    metrics = dict.fromkeys(name for row in columns.values() for name in row)
    return dict(columns=columns, metrics=list(metrics))


def _differences(runs: list[RunFolder]) -> dict[str, list[str]]:
    """Return the settings that are not the same in all runs."""
    if len(runs) < 2:
        return {}
    names = sorted({name for run in runs for name in run.options})
    rows = {
        name: [run.options.get(name, '') for run in runs]
        for name in names
        if name not in _INCIDENTAL
    }
    return {name: row for name, row in rows.items() if len(set(row)) > 1}


def _latest(run: RunFolder, name: str) -> float | None:
    values = run.curves.get(name)
    return values[max(values)] if values else None


def _data_uri(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode('ascii')
    return f'data:image/png;base64,{content}'
