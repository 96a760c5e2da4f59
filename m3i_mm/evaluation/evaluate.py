"""Evaluate a config from Python, with any model in the place of its own."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.runner import set_random_seed
from torch.utils.data import DataLoader, Dataset

from m3i_mm.checkpoints.loading import load_weights
from m3i_mm.registry import MODELS
from m3i_mm.runs import building
from m3i_mm.runs.reading import read_config

from .dataloaders import NamedDataLoaders
from .extraction import extract_features
from .metrics import build_metrics, compute_metrics
from .tables import FeatureTable

__all__ = ['EvaluationResult', 'build_model', 'evaluate', 'raw_pixels']


@dataclasses.dataclass
class EvaluationResult:
    """What :func:`evaluate` returns.

    Attributes:
        metrics (dict[str, float]): Percentages by ``prefix/name``.
        chance (dict[str, float]): Chance level under the same names.
        tables (dict[str, FeatureTable]): The features by set name.
        datasets (dict[str, Dataset]): The data sets by the same names; row i
            of a table is sample i.
        model (BaseModel): The model that made them.
    """

    metrics: dict[str, float]
    chance: dict[str, float]
    tables: dict[str, FeatureTable]
    datasets: dict[str, Dataset]
    model: BaseModel


def raw_pixels(size: int = 24) -> dict[str, Any]:
    """Return the config of the model whose features are the pixels.

    Args:
        size (int): Height and width of the down-sampled image in pixels.

    Returns:
        dict: To be passed to :func:`evaluate` as ``model``.
    """
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='m3i_mm.PixelFeatures', size=size),
    )


def build_model(
    cfg: Config,
    checkpoint: str | None = None,
    model: dict[str, Any] | None = None,
    seed: int = 0,
) -> BaseModel:
    """Build the model of a config for evaluation.

    Args:
        cfg (Config): The config.
        checkpoint (str, optional): Weights to load. Without it the model is
            initialised from ``seed``.
        model (dict, optional): Config of another model in the place of
            ``cfg.model``; it keeps the config's data preprocessor.
        seed (int): Seed of the initialisation.

    Returns:
        BaseModel: The model in evaluation mode, on the accelerator if there
        is one.
    """
    settings = building.model_settings(cfg)
    if model is not None:
        preprocessor = settings.get('data_preprocessor') or {}
        settings = copy.deepcopy(model)
        # built here: an ImageClassifier adds arguments of its own to a config
        with building.scope_of(cfg):
            built = MODELS.build(
                {'type': 'mmpretrain.ClsDataPreprocessor', **preprocessor}
            )
        settings.setdefault('data_preprocessor', built)
    set_random_seed(seed)
    network: BaseModel = building.build_model(cfg, settings=settings)
    if checkpoint is None:
        building.initialize(network)
    else:
        load_weights(network, checkpoint)
    return network.to(get_device()).eval()


def evaluate(
    cfg: str | Config,
    checkpoint: str | None = None,
    model: dict[str, Any] | None = None,
    seed: int = 0,
    loaders: Mapping[str, DataLoader] | None = None,
) -> EvaluationResult:
    """Run the test metrics of a config that uses ``FeatureEvalLoop``.

    It computes what ``tools/test.py CONFIG CHECKPOINT`` computes, in one
    process and without a work folder. Metrics that need texts are left out
    for a ``model`` that is no M3I.

    Args:
        cfg (str | Config): The config or its path.
        checkpoint (str, optional): Weights to load. Without it the model is
            initialised at random, which is a baseline.
        model (dict, optional): Config of another model, e.g.
            :func:`raw_pixels`.
        seed (int): Seed of the initialisation and the data workers.
        loaders (Mapping[str, DataLoader], optional): The sets, where several
            models are evaluated on the same. Defaults to those of the config.

    Returns:
        EvaluationResult: Metrics, chance level and features.

    Examples:
        >>> result = evaluate('configs/m3i/....py', 'epoch_20.pth')
        >>> pixels = evaluate('configs/m3i/....py', model=raw_pixels())
        >>> result.metrics['linear/group_top1']
    """
    cfg = read_config(cfg)
    built = build_model(cfg, checkpoint, model, seed)
    # convolutions are faster so, on CPUs by a quarter
    built.to(memory_format=torch.channels_last)
    with building.scope_of(cfg):
        if loaders is None:
            loaders = NamedDataLoaders(cfg.test_dataloader, seed)
        metrics = build_metrics(cfg.test_evaluator, list(loaders))
    if not hasattr(built, 'encode_text'):
        metrics = [metric for metric in metrics if not metric.needs_text]
    tables = {
        name: extract_features(built, loader, name)
        for name, loader in loaders.items()
    }
    return EvaluationResult(
        compute_metrics(metrics, tables, built),
        {
            name: value
            for metric in metrics
            for name, value in metric.chance(tables).items()
        },
        tables,
        {name: loader.dataset for name, loader in loaders.items()},
        built,
    )
