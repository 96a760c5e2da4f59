"""The benchmark measures what it says it does."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from m3i_mm.benchmarks.bottleneck import Bottleneck, find_bottleneck
from m3i_mm.benchmarks.pipelines import (
    PIPELINES,
    compare_pipelines,
    load_jpegs,
)


def test_every_pipeline_makes_two_views():
    (content,) = load_jpegs(limit=1)
    image = cv2.imdecode(np.frombuffer(content, np.uint8), 1)
    assert image.shape == (375, 500, 3)
    for name, make in PIPELINES.items():
        found = make()(content)
        if name == 'decoding only':
            assert (found == image).all()
            continue
        views = found if isinstance(found, list) else found['inputs']
        assert [tuple(view.shape) for view in views] == [(3, 224, 224)] * 2


def test_speeds_have_names():
    speeds = compare_pipelines(load_jpegs(limit=2), seconds=1e-3)
    assert [speed.name for speed in speeds] == list(PIPELINES)
    assert all(speed.images_per_second > 0 for speed in speeds)


def test_own_images(tmp_path):
    with pytest.raises(FileNotFoundError, match='no pictures'):
        load_jpegs(str(tmp_path))
    (tmp_path / 'a.png').write_bytes(b'')
    with pytest.raises(FileNotFoundError, match='no JPEG files'):
        load_jpegs(str(tmp_path))
    (tmp_path / 'b.jpg').write_bytes(b'x')
    assert load_jpegs(str(tmp_path)) == [b'x']


def test_verdicts():
    text = str(Bottleneck(batch_size=8, num_workers=2, data=4.0, model=1.0))
    assert 'data: 2.0 images/s with 2 workers, model: 8.0' in text
    assert 'the data is the bottleneck' in text
    assert 'wait 75% of the time; about 8 workers' in text
    text = str(Bottleneck(batch_size=8, num_workers=2, data=1.0, model=4.0))
    assert text.endswith('the model is the bottleneck')


def test_a_config_is_measured(tmp_path):
    for number in range(4):
        path = tmp_path / f'{number}.jpg'
        path.write_bytes(load_jpegs(limit=1)[0])
    view = dict(type='m3i_mm.RandomView', size=32)
    views = dict(
        type='m3i_mm.MultiViewWithGeometry', transforms=[[view], [view]]
    )
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='mmpretrain.BYOL',
                backbone=dict(type='ConvNeXt', arch='atto', out_indices=(3,)),
                neck=dict(
                    type='NonLinearNeck',
                    in_channels=320,
                    hid_channels=8,
                    out_channels=8,
                    with_avg_pool=False,
                ),
                head=dict(
                    type='LatentPredictHead',
                    loss=dict(type='CosineSimilarityLoss'),
                    predictor=dict(
                        type='NonLinearNeck',
                        in_channels=8,
                        hid_channels=8,
                        out_channels=8,
                        with_avg_pool=False,
                    ),
                ),
            ),
            data_preprocessor=dict(type='mmpretrain.SelfSupDataPreprocessor'),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                collate_fn=dict(type='default_collate'),
                sampler=dict(type='DefaultSampler', shuffle=True),
                batch_sampler=dict(type='m3i_mm.StreamBatchSampler'),
                dataset=dict(
                    type='m3i_mm.SourceDataset',
                    source=dict(
                        type='m3i_mm.ImageFolderSource', root=str(tmp_path)
                    ),
                    pipeline=[
                        dict(type='m3i_mm.DecodeImage', reduce=True),
                        views,
                        dict(type='mmpretrain.PackInputs'),
                    ],
                ),
            ),
        )
    )
    found = find_bottleneck(cfg, steps=1)
    assert found.batch_size == 4
    assert found.data > 0
    assert found.model > 0
