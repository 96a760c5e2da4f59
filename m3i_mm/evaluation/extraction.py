"""Features of a whole data set from a model and a dataloader."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from numbers import Number
from typing import Any, cast

import torch
from mmengine.dist import all_gather_object, get_world_size
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import DataLoader

from m3i_mm.utils.wrappers import unwrap

from .tables import FeatureTable

__all__ = [
    'dense_features',
    'extract_features',
    'gather_table',
    'pool_features',
    'predict_features',
]

# vectors worth keeping; single numbers and strings are kept whatever the name
VECTORS = ('feature', 'image_embedding', 'text_embedding')
# of a picture with a label map, what its places say
MAPS = ('feature_map', 'gt_seg_map')


def pool_features(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Reduce what a backbone or neck returns to one vector per image.

    Args:
        outputs (Tensor | tuple[Tensor]): A feature map (B, C, H, W), tokens
            (B, L, C) or vectors (B, C); of several stages the last counts.

    Returns:
        Tensor: Means over all positions, (B, C).

    Raises:
        TypeError: If the last output has another number of dimensions.
    """
    if isinstance(outputs, (tuple, list)):
        outputs = outputs[-1]
    if not isinstance(outputs, Tensor) or outputs.ndim not in (2, 3, 4):
        raise TypeError(
            'Expected a feature map (B, C, H, W), tokens (B, L, C) or vectors '
            f'(B, C) from the model, got {type(outputs).__name__} '
            f'{tuple(getattr(outputs, "shape", ()))}.'
        )
    if outputs.ndim == 4:
        return outputs.mean((2, 3))
    return outputs.mean(1) if outputs.ndim == 3 else outputs


@torch.no_grad()
def predict_features(model: nn.Module, batch: dict[str, Any]) -> list[Any]:
    """Compute the features of one batch.

    A model with ``encode_image`` follows the contract of :class:`M3I`: its
    predictions carry ``feature`` and the embeddings it was trained for. Of any
    other MMPretrain model the output of ``extract_feat`` is mean-pooled. Where
    samples have a label map ``gt_seg_map``, the feature map is kept, and
    ``feature`` is its mean.

    Args:
        model (nn.Module): The model, possibly in a distributed wrapper.
        batch (dict): ``inputs`` and ``data_samples`` from the dataloader.

    Returns:
        list[DataSample]: The samples of the batch with ``feature`` (C,), and
        with a label map also ``feature_map`` (C, h, w).

    Raises:
        TypeError: If the model can do neither.
        ValueError: If a label map has another size than its picture.
    """
    inner = unwrap(model)
    if any('gt_seg_map' in sample for sample in batch['data_samples']):
        return _predict_maps(model, batch)
    if hasattr(inner, 'encode_image'):
        return cast(BaseModel, model).test_step(batch)
    if not hasattr(inner, 'extract_feat'):
        raise TypeError(
            f'{type(inner).__name__} has no extract_feat; features come from '
            'M3I and from the classifiers and self-supervisors of MMPretrain.'
        )
    data = inner.data_preprocessor(batch, False)
    features = pool_features(inner.extract_feat(data['inputs']))
    for sample, feature in zip(data['data_samples'], features, strict=True):
        sample.set_field(feature, 'feature')
    return data['data_samples']


@torch.no_grad()
def dense_features(model: nn.Module, batch: dict[str, Any]) -> Tensor:
    """Compute the feature maps of one batch.

    Args:
        model (nn.Module): M3I, or a classifier or self-supervisor of
            MMPretrain whose backbone gives maps.
        batch (dict): ``inputs`` and ``data_samples`` from the dataloader.

    Returns:
        Tensor: The map of the last stage, (B, C, h, w).

    Raises:
        TypeError: If the backbone gives no map.
    """
    inner = unwrap(model)
    data = inner.data_preprocessor(batch, False)
    outputs = inner.extract_feat(data['inputs'])
    last = outputs[-1] if isinstance(outputs, (tuple, list)) else outputs
    if not isinstance(last, Tensor) or last.ndim != 4:
        raise TypeError(
            f'{type(inner.backbone).__name__} gives no feature map '
            '(B, C, H, W), so it has no features of places. Vision '
            "Transformers of MMPretrain give one with out_type='featmap'."
        )
    return last


def _predict_maps(model: nn.Module, batch: dict[str, Any]) -> list[Any]:
    """Keep the feature maps of pictures that have label maps."""
    samples = batch['data_samples']
    for image, sample in zip(batch['inputs'], samples, strict=True):
        _check_label_map(sample, tuple(image.shape[-2:]))
    maps = dense_features(model, batch)
    for sample, features in zip(samples, maps, strict=True):
        sample.set_field(features, 'feature_map')
        sample.set_field(features.mean((1, 2)), 'feature')
    return samples


def _check_label_map(sample: Any, encoded: tuple[int, ...]) -> None:
    """Refuse a label map that is not of the size of its picture."""
    size = tuple(sample.gt_seg_map.shape)
    read = tuple(sample.get('ori_shape', encoded)[:2])
    if size not in (encoded, read):
        path = sample.get('img_path', sample.get('sample_key', 'a picture'))
        raise ValueError(
            f'The label map of {path} has {size[0]} x {size[1]} pixels, the '
            f'picture {read[0]} x {read[1]}: label maps have the size of the '
            "picture as it was read (its 'ori_shape' is packed) or encoded."
        )


def to_table(samples: list[Any], name: str = '') -> FeatureTable:
    """Keep vectors, maps, numbers and strings of samples, on the CPU.

    Args:
        samples (list[DataSample]): Samples with features.
        name (str): Name of the data set.

    Returns:
        FeatureTable: One row for each sample.
    """
    records = []
    for sample in samples:
        record: dict[str, Any] = {}
        for key, value in chain(sample.metainfo_items(), sample.items()):
            single = isinstance(value, Tensor) and value.numel() == 1
            if key in MAPS:
                record[key] = torch.as_tensor(value).detach().cpu()
            elif key in VECTORS or single:
                record[key] = value.detach().cpu()
            elif isinstance(value, (str, Number)):
                record[key] = value
        records.append(record)
    return FeatureTable.from_records(records, name)


def gather_table(table: FeatureTable, size: int | None) -> FeatureTable:
    """Join the tables of all processes in the order of the data set.

    Args:
        table (FeatureTable): The rows of this process: ``DefaultSampler``
            gives the process r of R the samples r, r + R, r + 2R ...
        size (int, optional): Length of the data set. Rows beyond it are
            repetitions that filled up the last batches.

    Returns:
        FeatureTable: All rows, on every process.
    """
    parts = all_gather_object(table) if get_world_size() > 1 else [table]
    position = torch.cat(
        [
            rank + len(parts) * torch.arange(len(part))
            for rank, part in enumerate(parts)
        ]
    )
    order = position.argsort()[:size]
    return FeatureTable.concat(parts, table.name).select(order)


def extract_features(
    model: BaseModel, dataloader: DataLoader, name: str = ''
) -> FeatureTable:
    """Compute the features of a data set, with a progress bar.

    Args:
        model (BaseModel): The model; it is put in evaluation mode.
        dataloader (DataLoader): Batches in MMPretrain's form.
        name (str): Name of the data set, for messages.

    Returns:
        FeatureTable: One row for each sample, in the order of the data set.

    Raises:
        ValueError: If the data set is empty.
    """
    from mmpretrain.utils import track_on_main_process

    model.eval()
    batches: Iterable[dict[str, Any]] = track_on_main_process(
        dataloader, f'Features of {name or "the data set"}', len(dataloader)
    )
    tables = [
        to_table(predict_features(model, batch), name) for batch in batches
    ]
    return finish_table(tables, dataloader, name)


def finish_table(
    tables: list[FeatureTable], dataloader: DataLoader, name: str
) -> FeatureTable:
    """Join the tables of all batches and processes, and refuse empty sets.

    Args:
        tables (list[FeatureTable]): One table for each batch.
        dataloader (DataLoader): Where the batches come from.
        name (str): Name of the data set.

    Returns:
        FeatureTable: One row for each sample, in the order of the data set.

    Raises:
        ValueError: If there is no row.
    """
    dataset = dataloader.dataset
    size = len(dataset) if hasattr(dataset, '__len__') else None
    table = gather_table(FeatureTable.concat(tables, name), size)
    require_samples(len(table), dataset, name)
    return table


def require_samples(count: int, dataset: Any, name: str) -> None:
    """Refuse an empty data set.

    Args:
        count (int): Number of its samples.
        dataset (Dataset): The data set.
        name (str): Its name in the config.

    Raises:
        ValueError: If there is no sample.
    """
    if count == 0:
        raise ValueError(
            f'The set {name!r} is empty: {type(dataset).__name__} gave no '
            'sample. Check its annotation file, data root and filter.'
        )
