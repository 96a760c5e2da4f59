"""Broken shards over HTTP and S3: counted, reported, and survived."""

import json

import pytest
from mmengine.model import BaseModel
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from torch import nn
from toy.server import serve
from toy.shards import PIPELINE, sample_files, write_shard

from m3i_mm.datasets import SampleError, ShardSource
from m3i_mm.engine.hooks.data_report_hook import (
    DataReport,
    TooManyFaultsError,
)


@MODELS.register_module(force=True)
class MeanModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, inputs, data_samples, mode):
        x = inputs[0].float().mean((2, 3)) / 255
        return dict(loss=self.linear(x).square().mean())


def train(source, work_dir, workers=2, resume=False, epochs=2, **report):
    init_default_scope('mmpretrain')
    Runner(
        resume=resume,
        model=dict(type='MeanModel'),
        work_dir=str(work_dir),
        default_scope='mmpretrain',
        train_dataloader=dict(
            batch_size=4,
            num_workers=workers,
            collate_fn=dict(type='default_collate'),
            sampler=dict(type='DefaultSampler', shuffle=True),
            batch_sampler=dict(type='m3i_mm.StreamBatchSampler'),
            dataset=dict(
                type='m3i_mm.SourceDataset',
                source=source,
                pipeline=PIPELINE,
                window=2,
            ),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        custom_hooks=[
            dict(type='m3i_mm.ResumeStateHook'),
            dict(type='m3i_mm.DataReportHook', **report),
        ],
        randomness=dict(seed=1),
        experiment_name=f'{work_dir.name}-{resume}',
    ).train()
    return json.loads((work_dir / 'data_report.json').read_text())


@pytest.fixture
def folder(tmp_path):
    """Four shards of 4 samples; 2 members of the first are corrupt."""
    for shard in range(4):
        samples = {
            f'{i:04d}': sample_files(i)
            for i in range(4 * shard, 4 * shard + 4)
        }
        if shard == 0:
            samples['0001']['webp'] = b'no picture'
            samples['0002']['json'] = b'no object'
        write_shard(tmp_path / f'{shard}.tar', samples)
    (tmp_path / 'index.json').write_text(
        json.dumps(
            dict(
                shardlist=[
                    dict(url=f'{shard}.tar', nsamples=4) for shard in range(4)
                ]
            )
        )
    )
    return tmp_path


def counts(report):
    (source,) = report.values()
    faults = {k: v['count'] for k, v in source['faults'].items()}
    return source['samples'], faults


def test_counts_over_http_are_right(folder):
    pytest.importorskip('aiohttp')
    with serve(
        folder, fail_once=['1.tar'], fail_always=['2.tar'], cut=['3.tar']
    ) as (url, requests):
        source = dict(
            type='m3i_mm.ShardSource',
            urls=f'{url}/{{0..3}}.tar',
            retries=1,
            retry_wait=0.01,
        )
        report = train(source, folder / 'work', workers=1, max_fraction=0.9)
    samples, faults = counts(report)
    assert samples == 32  # 2 epochs of 16
    assert faults['image'] == faults['json'] == 2
    # the transfer that breaks off gives none or the first of its 4 samples
    lost = faults.pop('shard') + faults.pop('missing', 0)
    assert 2 * (4 + 2) <= lost <= 2 * (4 + 4)
    assert set(faults) == {'image', 'json'}
    assert requests['1.tar'] >= 2
    (source,) = report.values()
    assert source['faults']['json']['examples'][0]['key'] == '0002'


def test_too_many_faults_end_the_run(folder):
    source = dict(type='m3i_mm.ShardSource', urls=str(folder / '0.tar'))
    with pytest.raises(TooManyFaultsError, match=r'50\.0%.*0001 \(image: '):
        train(source, folder / 'work', min_samples=4, max_fraction=0.4)
    report = json.loads((folder / 'work/data_report.json').read_text())
    assert counts(report) == (4, dict(image=1, json=1))


def test_s3(folder, monkeypatch):
    pytest.importorskip('s3fs')
    server = pytest.importorskip('moto.server')
    import boto3

    for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
        monkeypatch.setenv(name, 'testing')
    monkeypatch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
    moto = server.ThreadedMotoServer(ip_address='127.0.0.1', port=0)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        endpoint = f'http://{host}:{port}'
        monkeypatch.setenv('AWS_ENDPOINT_URL', endpoint)
        client = boto3.client('s3', endpoint_url=endpoint)
        client.create_bucket(Bucket='data')
        for path in folder.glob('*.*'):
            client.upload_file(str(path), 'data', path.name)
        source = ShardSource('s3://data/{0..4}.tar', 4, retry_wait=0.01)
        chunk = source.read_chunk(1)
        assert [chunk[i]['sample_key'] for i in range(4)] == [
            '0004',
            '0005',
            '0006',
            '0007',
        ]
        assert ShardSource('s3://data/*.tar', 4).urls == [
            f's3://data/{shard}.tar' for shard in range(4)
        ]
        with pytest.raises(FileNotFoundError, match='No shard matches'):
            ShardSource('s3://data/val-*.tar', 4)
        with pytest.raises(SampleError, match=r's3://data/4\.tar'):
            source.read_chunk(4)
    finally:
        moto.stop()


def test_reports_of_ranks_add_up():
    total, other = DataReport(max_examples=2), DataReport(max_examples=2)
    for report in (total, other):
        report.samples.update(a=10)
        report.add_fault('a', 'image', 'k', 'why')
    other.samples.update(b=5)
    total.merge(other)
    assert total.samples == dict(a=20, b=5)
    assert total.fraction == pytest.approx(2 / 25)
    assert str(total) == (
        'a: 20 samples, replaced: 2 image; b: 5 samples, replaced: none'
    )
    total.merge(other)
    assert len(total.as_dict()['a']['faults']['image']['examples']) == 2


def test_a_resumed_run_goes_on_counting(folder):
    source = dict(type='m3i_mm.ShardSource', urls=str(folder / '*.tar'))
    settings = dict(source=source, workers=0, max_fraction=0.9)
    whole = train(work_dir=folder / 'whole', **settings)
    half = train(work_dir=folder / 'work', epochs=1, **settings)
    assert counts(half) == (16, dict(image=1, json=1))
    resumed = train(work_dir=folder / 'work', resume=True, **settings)
    assert counts(resumed) == counts(whole) == (32, dict(image=2, json=2))
    assert resumed == whole


def test_reports_come_back_from_plain_data():
    report = DataReport()
    report.samples.update(a=10, b=5)
    report.add_fault('a', 'image', 'k', 'why')
    again = DataReport()
    again.add_dict(report.as_dict())
    assert again.as_dict() == report.as_dict()
    again.add_dict(report.as_dict())
    assert again.samples == dict(a=20, b=10)
    assert again.faults == {('a', 'image'): 2}
