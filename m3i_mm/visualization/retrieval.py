"""Pictures of retrieval: queries and what was found for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import ConcatDataset, Dataset

from m3i_mm.evaluation import EvaluationResult, FeatureTable
from m3i_mm.evaluation.functional import nearest

from .grid import RIGHT, WRONG, Panel, draw_grid
from .images import bgr_to_picture

__all__ = ['draw_caption_retrieval', 'draw_image_retrieval', 'spread_rows']


def spread_rows(count: int, wanted: int) -> torch.Tensor:
    """Choose rows at equal distances, so that a picture is reproducible.

    Args:
        count (int): Number of rows.
        wanted (int): Rows to choose; all if there are fewer.

    Returns:
        Tensor: Row numbers, ascending.
    """
    wanted = min(count, wanted)
    return torch.arange(wanted) * count // wanted


def draw_image_retrieval(
    result: EvaluationResult,
    path: str | Path,
    field: str,
    query: str,
    gallery: Sequence[str],
    caption: str | None = None,
    num_queries: int = 8,
    k: int = 5,
) -> None:
    """Draw queries and their most similar gallery images.

    A frame says whether an image has the query's value of ``field``.

    Args:
        result (EvaluationResult): Result of an evaluation.
        path (str | Path): PNG file to write.
        field (str): What makes a found image right, e.g. ``'concept'``.
        query (str): The set of queries.
        gallery (Sequence[str]): The sets that are searched.
        caption (str, optional): Field written below the images.
        num_queries (int): Number of rows, spread evenly over the set.
        k (int): Images found for each query.
    """
    queries = result.tables[query]
    found = FeatureTable.concat([result.tables[name] for name in gallery])
    pictures: Dataset = ConcatDataset(
        [result.datasets[name] for name in gallery]
    )
    rows = spread_rows(len(queries), num_queries)
    order = nearest(
        queries.features('feature', 'cpu')[rows],
        found.features('feature', 'cpu'),
        k,
    )
    drawn = []
    for row, best in zip(rows.tolist(), order.tolist(), strict=True):
        cells = [_panel(result.datasets[query], queries, row, caption)]
        for index in best:
            right = bool(queries[field][row] == found[field][index])
            panel = _panel(pictures, found, index, caption)
            panel.color = RIGHT if right else WRONG
            cells.append(panel)
        drawn.append(cells)
    draw_grid(drawn, path, ['query', *(f'{i + 1}.' for i in range(k))])


def draw_caption_retrieval(
    result: EvaluationResult,
    path: str | Path,
    query: str,
    caption: str = 'text',
    num_queries: int = 8,
    k: int = 5,
) -> None:
    """Draw images and the captions that were found for them.

    Args:
        result (EvaluationResult): Result of an evaluation.
        path (str | Path): PNG file to write.
        query (str): The set of image-text pairs.
        caption (str): Field with the text.
        num_queries (int): Number of rows, spread evenly over the set.
        k (int): Captions found for each image.
    """
    table = result.tables[query]
    rows = spread_rows(len(table), num_queries)
    order = nearest(
        table.features('image_embedding', 'cpu')[rows],
        table.features('text_embedding', 'cpu'),
        k,
    )
    drawn = []
    for row, best in zip(rows.tolist(), order.tolist(), strict=True):
        cells = [_panel(result.datasets[query], table, row, caption)]
        for index in best:
            text = str(table[caption][index])
            right = text == str(table[caption][row])
            cells.append(Panel(None, text, RIGHT if right else WRONG))
        drawn.append(cells)
    draw_grid(drawn, path, ['query', *(f'{i + 1}.' for i in range(k))])


def _panel(
    dataset: Dataset,
    table: FeatureTable,
    row: int,
    caption: str | None,
) -> Panel:
    text = '' if caption is None else str(table[caption][row])
    return Panel(bgr_to_picture(dataset[row]['inputs']), text)
