"""Draw what a trained model sees and finds, as far as its config tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.runner import Runner
from torch.utils.data import Dataset

from m3i_mm.evaluation import EvaluationResult
from m3i_mm.evaluation.extraction import dense_features
from m3i_mm.models.pretrainers.inputs import group_size
from m3i_mm.visualization import (
    bgr_to_picture,
    draw_caption_retrieval,
    draw_image_retrieval,
    draw_mixed_inputs,
    draw_patch_features,
    spread_rows,
)

__all__ = ['draw_run']


def draw_run(
    cfg: Config, result: EvaluationResult, folder: str | Path
) -> list[Path]:
    """Draw the pictures of a report into the run's folder.

    Mixed inputs of a model that mixes images, retrieval as the metrics of
    ``test_evaluator`` do it, and the patch features of a backbone with maps.

    Args:
        cfg (Config): The config of the run.
        result (EvaluationResult): What :func:`evaluate` returned for it.
        folder (str | Path): Where the PNG files go.

    Returns:
        list[Path]: The files that were drawn.
    """
    folder = Path(folder)
    drawn = []
    if hasattr(result.model, 'input') and group_size(result.model.input) > 1:
        drawn.append(folder / 'mixed_inputs.png')
        torch.manual_seed(0)
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
        draw_mixed_inputs(result.model, next(iter(loader)), drawn[-1])
    for metric in _metrics(cfg, 'InstanceRetrieval'):
        drawn.append(folder / 'image_retrieval.png')
        draw_image_retrieval(
            result,
            drawn[-1],
            field=metric['field'],
            query=_listed(metric.get('query', 'query'))[-1],
            gallery=_listed(metric.get('gallery', 'gallery')),
        )
        break
    for metric in _metrics(cfg, 'ImageTextRetrieval'):
        query = _listed(metric.get('query', 'query'))[0]
        if 'text_embedding' not in result.tables[query]:
            break
        drawn.append(folder / 'caption_retrieval.png')
        draw_caption_retrieval(result, drawn[-1], query=query)
        break
    drawn.append(folder / 'patch_features.png')
    _draw_patches(result, drawn[-1])
    return drawn


def _metrics(cfg: Config, name: str) -> Iterator[dict[str, Any]]:
    evaluator = cfg.test_evaluator
    for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
        if metric['type'].split('.')[-1] == name:
            yield metric


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _draw_patches(
    result: EvaluationResult, path: Path, num_pictures: int = 6
) -> None:
    """Draw pictures of the last set, which training did not see."""
    dataset: Dataset = list(result.datasets.values())[-1]
    rows = spread_rows(len(dataset), num_pictures)  # type: ignore[arg-type]
    samples = [dataset[row] for row in rows.tolist()]
    maps = dense_features(result.model, default_collate(samples))
    pictures = [bgr_to_picture(sample['inputs']) for sample in samples]
    draw_patch_features(pictures, maps, path)
