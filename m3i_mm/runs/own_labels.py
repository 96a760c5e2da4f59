"""Evaluate the features of a pre-training on one's own labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from .config_check import ConfigError
from .own_parts import TRAIN_NAMES, VAL_NAMES
from .survey import Survey, survey
from .views import evaluation_view

__all__ = ['is_downstream', 'use_labelled_pictures']

# neighbours; fewer where there are fewer pictures
NEIGHBOURS = 20


def is_downstream(cfg: Config) -> bool:
    """Tell classifiers, detectors and segmentors from other models.

    Args:
        cfg (Config): Any config.

    Returns:
        bool: Whether :func:`m3i_mm.runs.own_data.use_data` serves it.
    """
    scope = cfg.get('default_scope')
    return scope in ('mmdet', 'mmseg') or 'head' in (cfg.get('model') or {})


def use_labelled_pictures(cfg: Config, path: str) -> str:
    """Test a config by the nearest neighbours among labelled pictures.

    A folder with ``train/`` and ``val/`` has its bank in one and the queries
    in the other. In all other data every picture is classified by the others.

    Args:
        cfg (Config): Config of a model with features, changed in place.
        path (str): What :func:`m3i_mm.runs.survey.survey` takes, with labels:
            folders of classes, a list with a column of labels ...

    Returns:
        str: What is compared with what, in words.

    Raises:
        ConfigError: If there are no pictures, or they have no labels.
    """
    sets = {name: _labelled(place) for name, place in _places(path).items()}
    bank = sets.get('bank', sets['query'])
    neighbours = bank.count - (bank is sets['query'])
    cfg.test_dataloader = dict(
        batch_size=64,
        num_workers=0,
        **{
            name: dict(dataset=_dataset(found, bank.classes, cfg))
            for name, found in sets.items()
        },
    )
    cfg.test_evaluator = dict(
        type='m3i_mm.KNNAccuracy',
        bank='bank' if 'bank' in sets else 'query',
        k=min(NEIGHBOURS, neighbours),
    )
    cfg.test_cfg = dict(type='m3i_mm.FeatureEvalLoop')
    known = f'{bank.count} of {bank.path}' if 'bank' in sets else 'the others'
    return (
        f'{sets["query"].path}: each of {sets["query"].count} pictures is '
        f'classified by the nearest among {known}; {len(bank.classes)} classes'
    )


def _places(path: str) -> dict[str, str]:
    """Return where the queries are, and the bank if that is apart."""
    halves = [
        next((n for n in names if (Path(path) / n).is_dir()), None)
        for names in (TRAIN_NAMES, VAL_NAMES)
    ]
    if None in halves:
        return dict(query=path)
    return {
        name: str(Path(path, str(half)))
        for name, half in zip(('bank', 'query'), halves, strict=True)
    }


def _labelled(path: str) -> Survey:
    found = survey(path)
    if not found.classes:
        why = ': ' + '; '.join(found.remarks) if found.remarks else ''
        raise ConfigError(
            f'--data {path}: the nearest neighbours need pictures with labels '
            f'of two classes at least{why}. Folders of classes, or a list '
            'with a column of labels'
        )
    return found


def _dataset(found: Survey, classes: list[str], cfg: Config) -> dict[str, Any]:
    labels: dict[str, Any] = dict(type='m3i_mm.Labels')
    if found.named:
        labels['classes'] = dict(gt_label=classes)
    try:
        view = evaluation_view(cfg)
    except ValueError as error:
        raise ConfigError(f'--data: {error}') from error
    return dict(
        type='m3i_mm.SourceDataset',
        source=found.source,
        pipeline=[
            dict(type='m3i_mm.DecodeImage'),
            dict(type='m3i_mm.Background', color=(255, 255, 255)),
            labels,
            view,
            dict(type='mmpretrain.PackInputs', meta_keys=('sample_key',)),
        ],
    )
