"""Annotation files that are missing, foreign or empty are named."""

import json

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from toy.downstream import write_detection_set, write_segmentation_set

from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.explain import explained_errors

pytestmark = pytest.mark.openmmlab


def build(**dataset):
    scope = dataset.pop('scope', 'mmdet')
    init_default_scope(scope)
    with explained_errors(Config(dict(dataset=dataset))):
        return DATASETS.build(
            dict(dataset, type=f'{scope}.{dataset["type"]}', pipeline=[])
        )


@pytest.fixture
def root(tmp_path):
    write_detection_set(tmp_path, ['cat', 'dog'])
    return tmp_path


def detection(root, **kwargs):
    return dict(
        dict(
            type='CocoDataset',
            data_root=str(root),
            ann_file='instances.json',
            data_prefix=dict(img='images'),
            metainfo=dict(classes=('cat', 'dog')),
        ),
        **kwargs,
    )


def test_good_file(root):
    assert len(build(**detection(root))) == 2


@pytest.mark.parametrize('name', ['CocoDataset', 'LVISV1Dataset'])
def test_missing_file(root, name):
    config = detection(root, ann_file='absent.json', type=name)
    with pytest.raises(ConfigError, match=rf'{name}.*absent\.json.*no such'):
        build(**config)


@pytest.mark.parametrize(
    'content', ['[]', '{"shapes": []}', '{"images": [{}]}', 'no json']
)
def test_file_of_another_format(root, content):
    (root / 'other.json').write_text(content)
    with pytest.raises(ConfigError, match=r'other\.json.*not in the format'):
        build(**detection(root, ann_file='other.json'))


def test_empty_set(root):
    content = dict(
        images=[], annotations=[], categories=[dict(id=1, name='cat')]
    )
    (root / 'empty.json').write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r'empty\.json.*data set is empty'):
        build(**detection(root, ann_file='empty.json', test_mode=True))


def test_no_object_of_the_classes(root):
    config = detection(
        root,
        metainfo=dict(classes=('unicorn',)),
        filter_cfg=dict(filter_empty_gt=True),
    )
    with pytest.raises(
        ConfigError, match='none with an object of its classes'
    ):
        build(**config)


def test_empty_folder_of_images(tmp_path):
    write_segmentation_set(tmp_path)
    (tmp_path / 'none').mkdir()
    with pytest.raises(ConfigError, match='ADE20KDataset.*data set is empty'):
        build(
            type='ADE20KDataset',
            scope='mmseg',
            data_root=str(tmp_path),
            data_prefix=dict(img_path='none', seg_map_path='masks'),
        )


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), explained_errors(Config()):
        1 / 0
