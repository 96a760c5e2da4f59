"""Samples through pipelines: randomness, replacements, mixtures, workers."""

import os

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, default_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader
from toy.shards import PIPELINE, picture, sample_files, write_shard
from toy.shards import write_shards as write

from m3i_mm.datasets import (
    DataError,
    ImageFolderSource,
    ImageTextListSource,
    MixtureDataset,
    SampleError,
    SampleIndex,
    ShardSource,
    SourceDataset,
    StreamBatchSampler,
)

pytestmark = pytest.mark.openmmlab


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')


def load(data, batch_size=4, workers=0, epochs=1):
    sampler = DefaultSampler(data, shuffle=True, seed=2)
    batches = StreamBatchSampler(sampler, batch_size, max(1, workers))
    loader = DataLoader(
        data,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=default_collate,
    )
    found = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        found += list(loader)
    return found


def keys(batches):
    return [s.sample_key for batch in batches for s in batch['data_samples']]


def test_batch_is_what_the_model_expects(tmp_path):
    data = SourceDataset(ShardSource(write(tmp_path)), PIPELINE)
    (batch, *_) = load(data)
    assert [tuple(view.shape) for view in batch['inputs']] == [
        (4, 3, 16, 16)
    ] * 2
    sample = batch['data_samples'][0]
    assert sample.view_geometry.shape == (2, 7)
    assert sample.text_tokens.shape == (77,)
    assert sample.text_tokens[0] == 49406
    assert sample.gt_label.item() == int(sample.sample_key)
    assert sample.source == tmp_path.name


def test_same_images_for_any_number_of_workers(tmp_path):
    data = SourceDataset(ShardSource(write(tmp_path)), PIPELINE, window=1)
    index = SampleIndex(0, 2, 1, 55, 9)
    first = data[index]
    again = SourceDataset(ShardSource(write(tmp_path)), PIPELINE)[index]
    other = data[index._replace(position=56)]
    assert torch.equal(first['inputs'][0], again['inputs'][0])
    assert not torch.equal(first['inputs'][0], other['inputs'][0])
    one = {s.sample_key: s.view_geometry for b in load(data, workers=0)
           for s in b['data_samples']}  # fmt: skip
    two = {s.sample_key: s.view_geometry for b in load(data, workers=1)
           for s in b['data_samples']}  # fmt: skip
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_loading_leaves_the_global_randomness_alone(tmp_path):
    data = SourceDataset(ShardSource(write(tmp_path)), PIPELINE)
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(3), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    data[0]
    assert torch.equal(torch.rand(3), expected[0])
    assert np.random.rand() == expected[1]


def test_stored_order_and_filter(tmp_path):
    data = SourceDataset(
        dict(type='m3i_mm.ShardSource', urls=write(tmp_path)),
        PIPELINE,
        where=dict(vendor='b'),
    )
    found = [data[i]['data_samples'].sample_key for i in range(len(data))]
    assert found == [f'{i:04d}' for i in range(1, 26, 3)]
    assert data.load_raw(1)['fields']['vendor'] == 'b'
    with pytest.raises(IndexError, match=r'not in \[0, 9\)'):
        data[9]


class TestFaults:
    def broken(self, folder):
        """Three shards of 8; 3 bad samples in one, another is no archive."""
        samples = {f'{i:04d}': sample_files(i) for i in range(8)}
        samples['0002']['webp'] = b'no picture'
        samples['0004']['webp'] = b''
        samples['0005']['json'] = b'{'
        write_shard(folder / 'a.tar', samples)
        (folder / 'b.tar').write_bytes(b'x' * 3000)
        write_shard(
            folder / 'c.tar', {f'{i:04d}': sample_files(i) for i in (8, 9)}
        )
        return ShardSource(str(folder / '*.tar'), samples_per_shard=8)

    def test_faults_travel_with_the_replacement(self, tmp_path):
        data = SourceDataset(self.broken(tmp_path), PIPELINE, window=1)
        batches = load(data, batch_size=4, workers=2)
        found = keys(batches)
        assert len(found) == 24
        faults = [
            fault['kind']
            for batch in batches
            for sample in batch['data_samples']
            for fault in sample.get('faults', [])
        ]
        # 2 pictures, 1 JSON, a whole shard, 6 that a shard lacks
        assert sorted(faults) == (
            ['image'] * 2 + ['json'] + ['missing'] * 6 + ['shard'] * 8
        )
        assert not {'0002', '0004', '0005'} & set(found)
        assert keys(load(data, workers=0)) == keys(load(data, workers=0))

    def test_fixed_order_does_not_replace(self, tmp_path):
        data = SourceDataset(self.broken(tmp_path), PIPELINE)
        with pytest.raises(SampleError, match='image fault in 0002'):
            data[2]

    def test_nothing_readable_ends(self, tmp_path):
        (tmp_path / 'b.tar').write_bytes(b'x' * 3000)
        source = ShardSource(str(tmp_path / 'b.tar'), samples_per_shard=8)
        data = SourceDataset(source, PIPELINE)
        with pytest.raises(DataError, match='100 samples in a row'):
            data[SampleIndex(0, 0, 1, 1, 0)]

    def test_a_mistake_of_the_user_is_no_fault(self, tmp_path):
        pipeline = list(PIPELINE)
        pipeline[1] = dict(
            type='m3i_mm.Labels',
            fields=dict(gt_label='concept'),
            num_classes=dict(gt_label=3),
        )
        data = SourceDataset(ShardSource(write(tmp_path)), pipeline)
        with pytest.raises(ValueError, match=r'gt_label = \d+ .*\[0, 3\)'):
            load(data, workers=1)


class KillWorker:
    def __call__(self, results):
        os._exit(7)


def test_a_dead_worker_ends_the_run(tmp_path):
    data = SourceDataset(ShardSource(write(tmp_path)), [KillWorker()])
    with pytest.raises(RuntimeError, match='worker .* exited unexpectedly'):
        load(data, workers=1)


class TestMixture:
    @pytest.fixture
    def parts(self, tmp_path):
        for i in range(6):
            path = tmp_path / f'plain/{i}.png'
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(picture(i, '.png'))
        plain = [step for i, step in enumerate(PIPELINE) if i in (0, 4, 5)]
        return [
            SourceDataset(ShardSource(write(tmp_path)), PIPELINE),
            SourceDataset(ImageFolderSource(f'{tmp_path}/plain'), plain),
        ]

    def test_labelled_and_plain_in_one_batch(self, parts):
        data = MixtureDataset(parts, weights=[3, 1], epoch_size=40)
        assert len(data) == 32
        batches = load(data, batch_size=8, workers=2)
        assert len(batches) == 5
        for batch in batches:
            samples = batch['data_samples']
            plain = [s for s in samples if s.source == 'plain']
            assert len(plain) == 2
            assert all('gt_label' not in s for s in plain)
            assert all('text_tokens' not in s for s in plain)
            assert all('gt_label' in s for s in samples if s not in plain)
        first = [s.source for s in batches[0]['data_samples']]
        assert first != sorted(first)

    def test_shares(self, parts):
        def share(**kwargs):
            return MixtureDataset(parts, **kwargs).probabilities

        assert share() == pytest.approx([26 / 32, 6 / 32])
        root = np.sqrt([26, 6])
        assert share(temperature=2) == pytest.approx(root / root.sum())
        assert share(weights=[0, 2]) == pytest.approx([0, 1])

    def test_a_part_that_runs_dry_is_named(self, parts, tmp_path):
        (tmp_path / 'dry').mkdir()
        (tmp_path / 'dry/0.tar').write_bytes(b'x' * 3000)
        dry = ShardSource(f'{tmp_path}/dry/0.tar', samples_per_shard=8)
        data = MixtureDataset([*parts, SourceDataset(dry, PIPELINE)])
        with pytest.raises(DataError, match=r'^dry: 100 samples in a row'):
            load(data, batch_size=8, workers=0)

    def test_numbers_run_through_the_parts(self, parts):
        data = MixtureDataset(parts)
        assert data[25]['data_samples'].sample_key == '0025'
        assert data[26]['data_samples'].sample_key == '0.png'
        with pytest.raises(IndexError):
            data[32]

    @pytest.mark.parametrize(
        ('settings', 'message'),
        [
            (dict(weights=[0, 0]), 'one is positive'),
            (dict(weights=[1, -1]), 'not negative'),
            (dict(weights=[1]), 'need as many weights'),
            (dict(weights=[1, 1], temperature=2), 'not both'),
            (dict(temperature=0), 'not positive'),
            (dict(mixing='epoch'), "'batch' or 'step'"),
        ],
    )
    def test_mistakes(self, parts, settings, message):
        with pytest.raises(ValueError, match=message):
            MixtureDataset(parts, **settings)


@pytest.mark.parametrize('sizes', [[3, -1], [0, 0], []])
def test_counts_that_cannot_be(sizes):
    source = ImageFolderSource.__new__(ImageFolderSource)
    source.name = 'here'
    source.chunk_sizes = np.array(sizes, dtype=np.int64)
    with pytest.raises(DataError, match='here has'):
        SourceDataset(source, [])


def test_fingerprints_follow_arguments_and_list(tmp_path):
    def write_list(text='a'):
        content = f'image,text,title\n0.jpg,{text},b\n'
        (tmp_path / 'l.csv').write_text(content)
        return str(tmp_path / 'l.csv')

    path = write_list()
    first = ImageTextListSource(path).fingerprint()
    assert ImageTextListSource(path).fingerprint() == first
    others = {
        ImageTextListSource(path, text='title').fingerprint(),
        ImageTextListSource(path, label='title').fingerprint(),
        ImageTextListSource(path, root='/').fingerprint(),
        ImageTextListSource(write_list('c')).fingerprint(),
    }
    assert len(others | {first}) == 5
    for name in ('a/x.jpg', 'b/x.jpg'):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b'')
    root = str(tmp_path)
    folders = {
        ImageFolderSource(root).fingerprint(),
        ImageFolderSource(root, labels=False).fingerprint(),
        ImageFolderSource(root, classes=['b', 'a']).fingerprint(),
    }
    assert len(folders) == 3
