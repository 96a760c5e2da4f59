"""A trained model beside chance, raw pixels and random weights."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from rich import box
from rich.console import Console
from rich.table import Table

from .evaluate import EvaluationResult, evaluate, raw_pixels

__all__ = ['evaluate_with_baselines', 'format_table', 'write_report']

Results = Mapping[str, Mapping[str, float]]


def evaluate_with_baselines(
    cfg: str | Config, checkpoint: str, name: str = 'M3I', seed: int = 0
) -> tuple[dict[str, dict[str, float]], EvaluationResult]:
    """Evaluate a checkpoint and what it has to beat, on the same data.

    Args:
        cfg (str | Config): A config with a ``FeatureEvalLoop``, or its path.
        checkpoint (str): The trained weights.
        name (str): How the table calls the trained model.
        seed (int): Seed of the random initialisation.

    Returns:
        tuple: Metrics by the name of the row: chance, raw pixels of 24 x 24,
        random initialisation, the trained model; and the full result of the
        trained model.
    """
    trained = evaluate(cfg, checkpoint, seed=seed)
    results = {
        'chance': trained.chance,
        'raw pixels': evaluate(cfg, model=raw_pixels(), seed=seed).metrics,
        'random initialisation': evaluate(cfg, seed=seed).metrics,
        name: trained.metrics,
    }
    return results, trained


def format_table(results: Results) -> str:
    """Write results as a Markdown table, metrics down and models across.

    Args:
        results (Mapping): Percentages by model and metric.

    Returns:
        str: The table; a metric that a model lacks is a dash.
    """
    table = Table(box=box.MARKDOWN)
    table.add_column('metric (%)')
    for model in results:
        table.add_column(model, justify='right')
    metrics = dict.fromkeys(key for row in results.values() for key in row)
    for metric in metrics:
        cells = (
            f'{row[metric]:.1f}' if metric in row else '-'
            for row in results.values()
        )
        table.add_row(metric, *cells)
    text = io.StringIO()
    Console(file=text, width=200).print(table)
    lines = (line.strip() for line in text.getvalue().splitlines())
    return '\n'.join(line for line in lines if line) + '\n'


def write_report(results: Results, path: str | Path, **about: Any) -> Path:
    """Write results as JSON.

    Args:
        results (Mapping): Percentages by model and metric.
        path (str | Path): File to write; its folder is created.
        **about: Further entries: config, checkpoint, seconds of training ...

    Returns:
        Path: The file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**about, 'unit': 'percent', 'results': results}
    path.write_text(json.dumps(content, indent=2) + '\n')
    return path
