"""configs/inaturalist on a data set in the layout of the competition."""

import json
import math
import shutil

import pytest
import torch
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import Runner
from toy import internimage
from toy.downstream import ROOT, read_config, write_images

from m3i_mm.datasets import DataError
from m3i_mm.datasets.inaturalist import encode_date, encode_place
from m3i_mm.runs.building import build_model

pytestmark = pytest.mark.openmmlab

NAME = (
    'inaturalist/internimage-h_joint-in22k-pre_32xb16-amp-coslr-100e_'
    'inat18-384.py'
)


@pytest.fixture
def root(tmp_path):
    names = write_images(tmp_path / 'train_val2018/Birds')
    ids = [70, 30]
    images = [
        dict(id=i, file_name=f'train_val2018/Birds/{name}')
        for i, name in enumerate(names)
    ]
    content = dict(
        images=images,
        annotations=[
            dict(id=i, image_id=i, category_id=ids[1 - i]) for i in range(2)
        ],
        categories=[dict(id=i, name=str(i), supercategory='B') for i in ids],
    )
    places = [
        dict(date='2014-03-25', lat=30.0, lon=-60.0, loc_uncert=None),
        dict(date=None, lat=None, lon=None, loc_uncert=None),
    ]
    for half in ('train', 'val'):
        (tmp_path / f'{half}2018.json').write_text(json.dumps(content))
        path = tmp_path / f'{half}2018_locations.json'
        path.write_text(json.dumps(places))
    return tmp_path


def config(root):
    cfg = internimage.shrink(read_config(NAME))
    cfg.load_from = None
    cfg.model.head.update(num_classes=2, embed_dims=8)
    cfg.data_preprocessor.num_classes = 2
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        loader.dataset.data_root = str(root)
        for step in loader.dataset.pipeline:
            for key in ('scale', 'crop_size'):
                if key in step:
                    step[key] = 64
    cfg.test_dataloader = cfg.val_dataloader
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.work_dir = str(root / 'work')
    cfg.experiment_name = root.name
    # of two classes there are no five best
    cfg.val_evaluator.topk = cfg.test_evaluator.topk = (1,)
    return cfg


def test_dates_and_places():
    assert encode_date('2014-03-25 10:00') == pytest.approx((1, 0, 0, 0))
    assert encode_date('2014-12-01') == pytest.approx((0, 1, 0, 0), abs=1e-9)
    for unknown in ('', None, 'spring'):
        assert encode_date(unknown) == (0, 0, 0, 0)
    half = math.sqrt(3) / 2
    assert encode_place(30, -60) == pytest.approx(
        (half / 2, -half * half, 0.5)
    )
    for unknown in ((None, None), (0, 10), (10, 0)):
        assert encode_place(*unknown) == (0, 0, 0)


def test_a_sample(root):
    cfg = config(root)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        packed = dataset[0]
    assert dataset.metainfo['classes'] == ('70', '30')
    assert len(dataset) == 2
    sample = packed['data_samples']
    assert packed['inputs'].shape == (3, 64, 64)
    assert sample.gt_label.tolist() == [1]
    assert tuple(sample.time) == encode_date('2014-03-25')
    assert tuple(sample.place) == encode_place(30, -60)


@pytest.mark.parametrize(
    ('file', 'content', 'words'),
    [
        ('train2018.json', dict(images=[]), 'not in the format of iNat'),
        ('train2018_locations.json', [], '2 labels, .*locations.json 0 place'),
    ],
)
def test_files_that_do_not_fit(root, file, content, words):
    cfg = config(root)
    (root / file).write_text(json.dumps(content))
    with pytest.raises(DataError, match=words):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_training_and_evaluation(root):
    torch.manual_seed(0)
    cfg = config(root)
    # float16 needs a GPU
    cfg.optim_wrapper.dtype = 'bfloat16'
    runner = Runner.from_cfg(cfg)
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert math.isfinite(scalars['train/loss'].current())
    assert 'val/accuracy/top1' in scalars
    shutil.rmtree(root / 'work')


def test_the_recipe_of_the_release():
    cfg = read_config(NAME)
    assert cfg.custom_hooks == []
    assert cfg.param_scheduler[0].warmup == 0
    assert cfg.param_scheduler[0].get('min_ratio', 0) == 0
    assert cfg.optim_wrapper.optimizer.lr == 2e-5
    assert cfg.train_cfg.max_epochs == 100
    with torch.device('meta'):
        model = build_model(cfg)
    last = model.backbone.levels[-1].blocks[-1].drop_path
    assert last.drop_prob == pytest.approx(0.6)
    count = sum(p.numel() for p in model.parameters())
    assert count == 1_096_197_516


def test_the_new_classifier_starts_at_a_thousandth(root):
    model = build_model(config(root))
    model.init_weights()
    assert model.head.fc.weight.abs().max() < 1e-4
    assert model.head.meta_head.weight.abs().max() > 1e-4


def test_the_metafile_is_imported():
    index = (ROOT / 'model-index.yml').read_text()
    assert 'configs/inaturalist/metafile.yml' in index
    assert 'configs/inaturalist/README' in (ROOT / 'docs/index.md').read_text()
