"""Classes of several sets are matched by their names."""

import pytest
from mmengine.registry import init_default_scope
from toy.shards import picture

from m3i_mm.datasets import DataError
from m3i_mm.evaluation import NamedDataLoaders

pytestmark = pytest.mark.openmmlab

PIPELINE = [
    dict(type='m3i_mm.DecodeImage'),
    dict(type='m3i_mm.Labels'),
    dict(type='mmpretrain.PackInputs', meta_keys=('sample_key',)),
]


def loaders(root, **sets):
    init_default_scope('mmpretrain')
    config = dict(batch_size=9)
    for name, classes in sets.items():
        for kind in classes:
            path = root / name / kind / '0.png'
            path.parent.mkdir(parents=True)
            path.write_bytes(picture(0, '.png', 3))
        source = dict(type='m3i_mm.ImageFolderSource', root=f'{root}/{name}')
        config[name] = dict(
            dataset=dict(
                type='m3i_mm.SourceDataset', source=source, pipeline=PIPELINE
            )
        )
    return NamedDataLoaders(config)


def labels(loader):
    (batch,) = loader
    return {
        sample.sample_key.split('/')[0]: sample.gt_label.item()
        for sample in batch['data_samples']
    }


def test_a_query_that_lacks_a_class(tmp_path):
    found = loaders(tmp_path, bank=['ape', 'bee', 'cat'], query=['ape', 'cat'])
    assert labels(found['bank']) == dict(ape=0, bee=1, cat=2)
    assert labels(found['query']) == dict(ape=0, cat=2)


def test_a_query_with_a_class_of_its_own(tmp_path):
    with pytest.raises(DataError, match="query has the classes 'dog', which"):
        loaders(tmp_path, bank=['ape', 'bee'], query=['ape', 'dog'])
