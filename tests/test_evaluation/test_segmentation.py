"""The segmentation probe against scikit-learn and slow loops."""

import logging

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, MODELS
from mmpretrain.structures import DataSample
from sklearn.linear_model import LogisticRegression
from torch.utils.data import Dataset
from toy import squares

from m3i_mm.evaluation import (
    FeatureTable,
    NamedDataLoaders,
    SegmentationProbe,
    evaluate,
)
from m3i_mm.evaluation.functional import (
    class_shares,
    confusion_matrix,
    fit_logistic_regression,
    intersection_over_union,
)

CLASSES = ['left', 'right', 'never']


@pytest.fixture
def scene():
    """Feature maps (2, 5, 3, 4), label maps (2, 7, 9) with ignored pixels."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 5, 3, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 7, 9), generator=generator)
    labels[0, :4] = 255
    return maps, labels


def test_class_shares_are_a_count_of_pixels(scene):
    labels = scene[1][0]
    slow = np.zeros((3, 4, 3))
    pixels = np.zeros((3, 4, 1))
    for row in range(7):
        for column in range(9):
            cell = row * 3 // 7, column * 4 // 9
            pixels[cell] += 1
            if labels[row, column] < 3:
                slow[(*cell, labels[row, column])] += 1
    shares = class_shares(labels, (3, 4), 3)
    np.testing.assert_allclose(shares, (slow / pixels).reshape(12, 3))


def test_the_fit_is_sklearns_on_every_pixel(scene):
    maps, labels = scene
    patches = torch.cat([m.flatten(1).T for m in maps])
    shares = torch.cat([class_shares(m, (3, 4), 3) for m in labels])
    weight, bias = fit_logistic_regression(
        patches, shares.double(), 3, tolerance=1e-9
    )
    rows, targets, weights = [], [], []
    for patch, share in zip(patches, shares, strict=True):
        for number, amount in enumerate(share):
            rows.append(patch.numpy())
            targets.append(number)
            weights.append(float(amount))
    reference = LogisticRegression(tol=1e-9, max_iter=1000)
    reference.fit(rows, targets, sample_weight=weights)
    np.testing.assert_allclose(weight, reference.coef_, atol=1e-5)
    expected = reference.intercept_ - reference.intercept_.mean()
    np.testing.assert_allclose(bias - bias.mean(), expected, atol=1e-5)


def test_confusion_and_iou_are_counts(scene):
    labels = scene[1][0]
    scores = torch.rand(3, 7, 9, generator=torch.Generator().manual_seed(1))
    slow = np.zeros((3, 3))
    for truth, predicted in zip(
        labels.flatten(), scores.argmax(0).flatten(), strict=True
    ):
        if truth < 3:
            slow[truth, predicted] += 1
    confusion = confusion_matrix(scores, labels)
    np.testing.assert_array_equal(confusion, slow)
    expected = [
        slow[k, k] / (slow[k].sum() + slow[:, k].sum() - slow[k, k])
        for k in range(3)
    ]
    np.testing.assert_allclose(intersection_over_union(confusion), expected)


def test_patch_scores_are_interpolated():
    scores = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])  # (2, 1, 2)
    labels = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]])
    assert confusion_matrix(scores, labels).tolist() == [[4, 0], [0, 4]]


def table(name, shift=0.0):
    labels = torch.tensor([[0, 0, 1, 1]] * 4).expand(3, 4, 4)
    maps = torch.zeros(3, 2, 2, 2)
    maps[:, 0, :, 0] = maps[:, 1, :, 1] = 1
    return FeatureTable(
        dict(feature_map=maps + shift, gt_seg_map=labels), name=name
    )


def test_a_class_that_never_occurs_is_left_out_and_said(caplog):
    tables = dict(bank=table('bank'), query=table('query'))
    metric = SegmentationProbe(CLASSES, C=100)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        values = metric.evaluate(tables, None)
    logger.removeHandler(caplog.handler)
    assert values == {'segmentation/mIoU': 100}
    assert "no label map of the set 'query' shows: never" in caplog.text
    assert metric.chance(tables) == {'segmentation/mIoU': 25}


def test_no_class_at_all_is_an_error():
    tables = dict(bank=table('bank'), query=table('query'))
    tables['query'].columns['gt_seg_map'] = torch.full((3, 4, 4), 255)
    with pytest.raises(ValueError, match="No pixel of the set 'query'"):
        SegmentationProbe(CLASSES).evaluate(tables, None)


@DATASETS.register_module(force=True)
class ToyScenes(Dataset):
    """Pictures of which one side is bright."""

    def __init__(self, label_height=8):
        self.label_height = label_height

    def __len__(self):
        return 5

    def __getitem__(self, index):
        image = torch.zeros(3, 8, 8)
        image[:, :, 4:] = 200 + index
        labels = np.zeros((self.label_height, 8), np.uint8)
        labels[:, 4:] = 1
        sample = DataSample(metainfo=dict(img_path=f'scene{index}.jpg'))
        sample.set_field(labels, 'gt_seg_map')
        return dict(inputs=image, data_samples=sample)


@MODELS.register_module(force=True)
class ToyMaps(torch.nn.Module):
    """A backbone that gives the picture at a quarter of its size."""

    def forward(self, images):
        return (torch.nn.functional.avg_pool2d(images, 4),)


@pytest.fixture
def cfg(tmp_path):
    cfg = Config(squares.toy_config(tmp_path))
    cfg.model = dict(
        type='mmpretrain.ImageClassifier', backbone=dict(type='ToyMaps')
    )
    cfg.data_preprocessor = dict(mean=[100] * 3, std=[100] * 3)
    sets = {name: dict(dataset=dict(type='ToyScenes')) for name in 'bq'}
    cfg.test_dataloader = dict(batch_size=2, bank=sets['b'], query=sets['q'])
    cfg.test_evaluator = [dict(type='m3i_mm.SegmentationProbe')]
    cfg.test_evaluator[0].update(classes=CLASSES, C=100.0)
    return cfg


@pytest.mark.openmmlab
def test_the_loop_keeps_the_maps_of_pictures_with_labels(cfg):
    result = evaluate(cfg)
    assert result.metrics == {'segmentation/mIoU': 100}
    query = result.tables['query']
    assert query['feature_map'].shape == (5, 3, 2, 2)
    torch.testing.assert_close(
        query['feature'], query['feature_map'].mean((2, 3))
    )


@pytest.mark.openmmlab
def test_a_label_map_of_another_size(cfg):
    cfg.test_dataloader.query.dataset.label_height = 6
    with pytest.raises(
        ValueError, match=r'scene0\.jpg has 6 x 8 pixels, the picture 8 x 8'
    ):
        evaluate(cfg)


@pytest.mark.openmmlab
def test_sets_read_once_serve_several_models(cfg):
    loaders = NamedDataLoaders(cfg.test_dataloader)
    first = evaluate(cfg, loaders=loaders)
    assert first.metrics == evaluate(cfg).metrics
    cfg.test_dataloader = None
    cfg.model.backbone = dict(type='m3i_mm.PixelPatches', patch_size=4)
    pixels = evaluate(cfg, loaders=loaders)
    assert pixels.metrics == {'segmentation/mIoU': 100}
    maps = pixels.tables['query']['feature_map']
    assert maps.shape == (5, 48, 2, 2)
    # (200 - 100) / 100 of picture 0, its upper right patch
    assert maps[0, :, 0, 1].unique().tolist() == [1]
