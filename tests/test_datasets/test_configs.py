"""The base configs of pre-training data."""

import glob
import os.path as osp

import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from toy.shards import picture

ROOT = osp.join(osp.dirname(__file__), '../../configs/_base_/datasets')
CONFIGS = sorted(glob.glob(f'{ROOT}/*two_views*.py'))


@pytest.mark.openmmlab
@pytest.mark.parametrize('path', CONFIGS, ids=osp.basename)
def test_pipelines_make_two_views(path):
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(path)
    loader = cfg.train_dataloader
    assert loader.batch_sampler.type == 'm3i_mm.StreamBatchSampler'
    # not with a sampler of batches
    assert 'drop_last' not in loader
    if 'dataset' not in loader:
        pytest.skip('a base of other bases')
    parts = loader.dataset.get('datasets', [loader.dataset])
    for part in parts:
        fields = dict.fromkeys(
            ('label', 'concept', 'group_id', 'subgroup_id'), 1
        )
        fields.update(
            text='x', name='x', vendor='x', keywords=['x'], captions=['x']
        )
        sample = dict(
            sample_key='k',
            source='s',
            img_bytes=picture(0, '.jpg', 3),
            fields=fields,
        )
        packed = Compose(part.pipeline)(sample)
        one, two = packed['inputs']
        assert one.shape == two.shape
        assert packed['data_samples'].view_geometry.shape == (2, 7)
        if part.source.type != 'm3i_mm.ImageFolderSource':
            names = {'gt_label', 'text_tokens'}
            assert names & set(packed['data_samples'].keys())
