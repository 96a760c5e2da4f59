"""Pictures of batches: crops, target patches, whole figures."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from toy.shards import PIPELINE, write_shards

from m3i_mm.datasets.tokenizers import build_tokenizer
from m3i_mm.visualization import (
    browse_batch,
    draw_crop_boxes,
    draw_target_grid,
)


def test_boxes_are_the_crops():
    picture = np.zeros((40, 60, 3), np.uint8)
    geometry = torch.tensor([[5.0, 10, 20, 30, 0, 40, 60]])
    rows, columns = np.nonzero(draw_crop_boxes(picture, geometry).any(2))
    assert (rows.min(), rows.max()) == (5, 24)
    assert (columns.min(), columns.max()) == (10, 39)
    assert not picture.any()


@pytest.mark.parametrize('flip', [0.0, 1.0])
def test_dots_of_the_same_view_are_patch_centres(flip):
    view = torch.tensor([4.0, 8, 32, 32, flip, 40, 60])
    marked = draw_target_grid(
        np.zeros((32, 32, 3), np.uint8), torch.stack([view, view]), 8
    )
    dots = {(r, c) for r in range(4, 32, 8) for c in range(4, 32, 8)}
    assert all(marked[dot].any() for dot in dots)
    assert not marked[::8, ::8].any()


def config(tmp_path, pipeline=PIPELINE, **model):
    return Config(
        dict(
            model=dict(type='m3i_mm.M3I', **model),
            data_preprocessor=dict(
                type='mmpretrain.SelfSupDataPreprocessor',
                mean=[120.0] * 3,
                std=[60.0] * 3,
                to_rgb=True,
            ),
            train_dataloader=dict(
                batch_size=6,
                num_workers=2,
                sampler=dict(type='DefaultSampler', shuffle=True),
                batch_sampler=dict(type='m3i_mm.StreamBatchSampler'),
                dataset=dict(
                    type='m3i_mm.SourceDataset',
                    source=dict(
                        type='m3i_mm.ShardSource', urls=write_shards(tmp_path)
                    ),
                    pipeline=pipeline,
                ),
            ),
        )
    )


def test_figures(tmp_path):
    sizes = []
    for model in ({}, dict(input=dict(type='m3i_mm.PatchMix', patch_size=8))):
        browse_batch(config(tmp_path, **model), tmp_path / 'a.png', 4)
        sizes.append(cv2.imread(str(tmp_path / 'a.png')).shape)
    assert sizes[1][1] > sizes[0][1]  # two more columns


def test_needs_geometry(tmp_path):
    pipeline = [*PIPELINE[:-1], dict(type='mmpretrain.PackInputs')]
    with pytest.raises(ValueError, match=r'use m3i_mm\.MultiViewWithGeom'):
        browse_batch(config(tmp_path, pipeline), tmp_path / 'a.png')


def test_tokens_become_text_again():
    clip = build_tokenizer('clip')
    assert clip.decode(clip('A red apple; fruit')) == 'a red apple ; fruit'
