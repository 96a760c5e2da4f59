"""Servers that hang, drip, cut, redirect and fail: faults, never a hang."""

import gzip
import io
import json
import os
import socket
import threading
import time
import urllib.error
from dataclasses import replace

import pytest
from mmengine.dataset import DefaultSampler
from mmengine.structures import BaseDataElement
from toy.server import serve
from toy.shards import picture, sample_files, write_shard

from m3i_mm.datasets import (
    SampleError,
    ShardSource,
    SourceDataset,
    StreamBatchSampler,
)
from m3i_mm.datasets.sources.shard_urls import expand_urls
from m3i_mm.datasets.sources.transfer import Limits, fetch

CONTENT = bytes(range(256)) * 40
# for servers that answer, however busy the machine is
PATIENT = Limits(
    retry_wait=0.01, connect_timeout=30, read_timeout=30, total_timeout=60
)
# for servers that do not; a new try more in case that one answered too late
HASTY = replace(PATIENT, retries=5, connect_timeout=0.5, read_timeout=0.5)
# far above the time-outs that are reached here, far below those that are not
SOON = 25


def limits_for(plan):
    return HASTY if {'hang', 'stall'} & set(plan) else PATIENT


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'a').write_bytes(CONTENT)
    (tmp_path / 'b').write_bytes(b'other')
    return tmp_path


def get(url, limits=PATIENT):
    file = io.BytesIO()
    begin = time.monotonic()
    error = fetch(url, file, limits)
    assert time.monotonic() - begin < SOON
    return file.getvalue(), error


@pytest.mark.parametrize(
    ('plan', 'requests'),
    [
        ([], 1),
        ([503], 2),
        ([500, 502, 503], 4),
        ([403], 2),
        ([429, 408], 3),
        (['cut'], 2),
        (['hang'], 2),
        (['stall'], 2),
        (['reset', 'reset'], 3),
        (['cut', 503, 'stall'], 4),
    ],
)
@pytest.mark.parametrize('ranges', [False, True])
def test_errors_that_pass(folder, plan, requests, ranges):
    # a HEAD is never sent: not all servers answer it
    with serve(folder, faults=dict(a=plan), ranges=ranges, head='hang') as (
        url,
        counted,
    ):
        content, error = get(f'{url}/a', limits_for(plan))
    assert error is None
    assert content == CONTENT
    # a busy machine may answer too late for hasty limits once more
    extra = counted['a'] - requests
    assert extra == 0 or (extra > 0 and limits_for(plan) is HASTY)


@pytest.mark.parametrize(
    ('plan', 'requests', 'message'),
    [
        ([503, '...'], 4, '503'),
        (['cut', '...'], 4, 'breaks off, 5120 bytes are missing'),
        (['hang', '...'], 6, 'no answer for 0.5 s'),
        (['stall', '...'], 6, 'no data for 0.5 s'),
        (['reset', '...'], 4, ''),
        ([404, '...'], 1, '404'),
        ([410, '...'], 1, '410'),
        ([401, '...'], 1, '401'),
        (['loop', '...'], 5, 'redirect'),
    ],
)
def test_errors_that_stay(folder, plan, requests, message):
    with serve(folder, faults=dict(a=plan)) as (url, counted):
        content, error = get(f'{url}/a', limits_for(plan))
    assert message in str(error)
    assert CONTENT.startswith(content)
    assert counted['a'] == requests or plan[0] == 'loop'


def test_a_part_that_is_there_is_not_read_again(folder):
    # whole in three halves of what is left
    plan = ['cut', 'cut', 'cut', 'cut', 'cut', 'cut']
    limits = Limits(retries=6, retry_wait=0.01)
    with serve(folder, faults=dict(a=plan), ranges=True) as (url, _):
        assert get(f'{url}/a', limits) == (CONTENT, None)


def test_a_file_that_changed_is_read_anew(folder):
    with serve(folder, faults=dict(a=['cut', 503]), ranges=False) as (url, _):
        assert get(f'{url}/a') == (CONTENT, None)


def test_redirections(folder):
    with serve(folder, faults=dict(a=['b'])) as (url, _):
        assert get(f'{url}/a') == (b'other', None)


def test_a_drip_ends_with_the_budget(folder):
    limits = Limits(read_timeout=5, total_timeout=0.5, retry_wait=0.01)
    with serve(folder, faults=dict(a=['drip', '...'])) as (url, _):
        content, error = get(f'{url}/a', limits)
    assert str(error) == 'not done in 0.5 s'
    assert 0 < len(content) < 100


def test_retries_do_not_outlast_the_budget(folder):
    limits = Limits(retries=99, retry_wait=0.2, total_timeout=1)
    with serve(folder, fail_always=['a']) as (url, counted):
        _, error = get(f'{url}/a', limits)
    assert isinstance(error, urllib.error.HTTPError)
    assert counted['a'] <= 5


def test_a_server_that_accepts_and_is_silent(folder):
    with socket.create_server(('127.0.0.1', 0)) as server:
        url = f'http://127.0.0.1:{server.getsockname()[1]}/a'
        _, error = get(url, Limits(retries=0, connect_timeout=0.3))
    assert isinstance(error, TimeoutError)


def test_a_server_that_comes_back(folder):
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    _, error = get(f'http://127.0.0.1:{port}/a')
    assert 'refused' in str(error)


def test_an_endless_file(tmp_path):
    (tmp_path / 'a').write_bytes(bytes(5000))
    with serve(tmp_path) as (url, counted):
        _, error = get(f'{url}/a', Limits(max_bytes=4000))
    assert str(error) == 'more than 4000 bytes'
    assert counted['a'] == 1


def test_commands():
    assert get('pipe:printf abc') == (b'abc', None)
    content, error = get('pipe:printf ab; exit 3')
    assert content == b'ab'
    assert 'exit status 3' in str(error)
    limits = Limits(retries=0, read_timeout=0.3)
    assert 'no data for 0.3 s' in str(get('pipe:sleep 60', limits)[1])


def test_what_fsspec_knows():
    import fsspec

    with fsspec.open('memory://shards/a', 'wb') as file:
        file.write(CONTENT)
    assert get('memory://shards/a') == (CONTENT, None)
    assert isinstance(get('memory://shards/b')[1], FileNotFoundError)


@pytest.fixture
def shards(tmp_path):
    """Three shards of 4 samples and their index."""
    for shard in range(3):
        write_shard(
            tmp_path / f'{shard}.tar',
            {
                f'{i:02d}': sample_files(i)
                for i in range(4 * shard, 4 * shard + 4)
            },
        )
    entries = [dict(url=f'{n}.tar', nsamples=4) for n in range(3)]
    (tmp_path / 'index.json').write_text(json.dumps(dict(shardlist=entries)))
    return tmp_path


def source_of(url, **settings):
    settings = dict(retries=2, retry_wait=0.01) | settings
    return ShardSource(f'{url}/{{0..2}}.tar', **settings)


def keys(chunk):
    return [chunk[i]['sample_key'] for i in range(len(chunk))]


class TestShards:
    def test_a_silent_index_is_an_error_that_names_it(self, shards):
        with (
            serve(shards, faults={'index.json': ['hang', '...']}) as (url, _),
            pytest.raises(ValueError, match=r'index\.json is left aside'),
        ):
            source_of(url, connect_timeout=0.3)
        with serve(shards, faults={'index.json': [500, 503]}) as (url, _):
            assert len(source_of(url)) == 12

    def test_sizes_from_statistics(self, shards):
        (shards / 'index.json').unlink()
        for n in range(3):
            (shards / f'{n}_stats.json').write_text('{"successes": 4}')
        with serve(shards, faults={'1_stats.json': [503]}) as (url, _):
            assert source_of(url).chunk_sizes.tolist() == [4, 4, 4]

    def test_a_cut_transfer_keeps_its_beginning(self, shards):
        with serve(shards, cut=['1.tar']) as (url, counted):
            chunk = source_of(url).read_chunk(1)
        assert counted['1.tar'] == 3
        assert chunk[0]['sample_key'] == '04'
        for i in (2, 3):
            with pytest.raises(SampleError, match='missing fault'):
                chunk[i]

    def test_nothing_remains_on_disk(self, shards, tmp_path_factory):
        cache = tmp_path_factory.mktemp('cache')
        with serve(shards) as (url, _):
            chunk = source_of(url, cache_dir=str(cache)).read_chunk(1)
            assert keys(chunk) == ['04', '05', '06', '07']
            assert os.listdir(cache) == []

    def test_a_shard_that_is_no_archive(self, shards):
        (shards / '1.tar').write_bytes(b'<html>sorry</html>' * 50)
        with (
            serve(shards) as (url, _),
            pytest.raises(SampleError, match=r'shard fault in .*1\.tar'),
        ):
            source_of(url).read_chunk(1)

    def test_compressed(self, shards):
        content = gzip.compress((shards / '1.tar').read_bytes())
        (shards / '1.tar').write_bytes(content)
        with serve(shards) as (url, _):
            chunk = source_of(url).read_chunk(1)
        assert keys(chunk) == ['04', '05', '06', '07']


class TestPrefetch:
    def test_read_ahead_once_and_in_any_order(self, shards):
        with serve(shards) as (url, counted):
            source = source_of(url)
            source.prefetch([0, 1, 2])
            assert keys(source.read_chunk(2)) == ['08', '09', '10', '11']
            assert keys(source.read_chunk(0)) == ['00', '01', '02', '03']
            assert keys(source.read_chunk(1)) == ['04', '05', '06', '07']
            assert [counted[f'{n}.tar'] for n in range(3)] == [1, 1, 1]

    def test_what_hangs_does_not_hold_up_the_others(self, shards):
        with serve(shards, faults={'0.tar': ['hang', '...']}) as (url, _):
            source = source_of(url, connections=2, total_timeout=5)
            source.prefetch([0, 1, 2])
            assert keys(source.read_chunk(1)) == ['04', '05', '06', '07']
            assert keys(source.read_chunk(2)) == ['08', '09', '10', '11']
            with pytest.raises(SampleError, match='not done in 5 s'):
                source.read_chunk(0)

    def test_never_more_at_a_time_than_connections(self, shards):
        with serve(shards, latency=0.1) as (url, counted):
            source = source_of(url, connections=1)
            source.prefetch([0, 1, 2])
            deadline = time.monotonic() + SOON
            while not counted['0.tar'] and time.monotonic() < deadline:
                time.sleep(0.005)
            assert counted['1.tar'] == 0
            source.read_chunk(2)
            assert counted['2.tar'] == 1

    def test_works_in_a_forked_process(self, shards):
        import multiprocessing

        with serve(shards) as (url, _):
            source = source_of(url)
            source.prefetch([0, 1])
            source.read_chunk(0)
            context = multiprocessing.get_context('fork')
            with context.Pool(1) as pool:
                result = pool.apply_async(
                    _keys_of_chunk, (source.urls, source.chunk_sizes)
                )
                assert result.get(SOON) == ['08', '09', '10', '11']


def _keys_of_chunk(urls, sizes):
    source = ShardSource(urls, samples_per_shard=int(sizes[0]))
    source.prefetch([2])
    return keys(source.read_chunk(2))


def pack(sample):
    return dict(data_samples=BaseDataElement(metainfo=sample))


class TestTraining:
    def run(self, url, epochs=2, **settings):
        """Return the keys, and the kinds of faults, of each epoch."""
        data = SourceDataset(source_of(url, **settings), [pack], window=1)
        sampler = DefaultSampler(data, shuffle=True, seed=3)
        batches = StreamBatchSampler(sampler, batch_size=2)
        found = []
        for epoch in range(epochs):
            sampler.set_epoch(epoch)
            samples = [
                data[index]['data_samples']
                for batch in batches
                for index in batch
            ]
            faults = [
                fault['kind']
                for sample in samples
                for fault in sample.get('faults', [])
            ]
            found.append(([s.sample_key for s in samples], faults))
        return found

    def test_the_order_is_that_of_local_shards(self, shards):
        local = self.run(str(shards))
        with serve(shards, latency=0.02) as (url, counted):
            assert self.run(url) == local
            # once in each pass
            assert [counted[f'{n}.tar'] for n in range(3)] == [2, 2, 2]
        slow = {'0.tar': [503, 'stall'], '2.tar': ['cut', 'hang']}
        hasty = dict(retries=5, connect_timeout=0.5, read_timeout=0.5)
        with serve(shards, faults=slow) as (url, _):
            assert self.run(url, **hasty) == local
        for keys, faults in local:
            assert sorted(keys) == [f'{i:02d}' for i in range(12)]
            assert faults == []

    def test_a_shard_is_tried_again_in_the_next_pass(self, shards):
        down = {'1.tar': [503, 503, 503]}
        with serve(shards, faults=down) as (url, _):
            first, second = self.run(url)
        assert first[1] == ['shard'] * 4
        assert not {'04', '05', '06', '07'} & set(first[0])
        assert second == (self.run(str(shards))[1])


@pytest.fixture
def s3(monkeypatch):
    s3fs = pytest.importorskip('s3fs')
    # the address of the server is part of an instance
    s3fs.S3FileSystem.clear_instance_cache()
    for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
        monkeypatch.setenv(name, 'testing')
    monkeypatch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
    return lambda url: monkeypatch.setenv('AWS_ENDPOINT_URL', url)


class TestS3:
    """An object store is a web server that knows ranges and HEAD."""

    @pytest.fixture
    def bucket(self, folder, s3):
        (folder / 'bucket').mkdir()
        (folder / 'bucket/a').write_bytes(CONTENT)
        return folder

    @pytest.mark.parametrize(
        'plan', [[], [503], [500, 500], ['cut'], ['hang'], ['stall']]
    )
    def test_errors_that_pass(self, bucket, s3, plan):
        faults = {'bucket/a': plan}
        with serve(bucket, faults=faults, ranges=True) as (url, counted):
            s3(url)
            limits = replace(PATIENT, retries=5, read_timeout=2)
            assert get('s3://bucket/a', limits) == (CONTENT, None)
        assert counted['bucket/a'] >= len(plan) + 1

    @pytest.mark.parametrize('head', ['hang', 500, 503, 403])
    def test_a_head_that_fails(self, bucket, s3, head):
        with serve(bucket, head=head, ranges=True) as (url, _):
            s3(url)
            limits = replace(PATIENT, retries=1, connect_timeout=1)
            content, error = get('s3://bucket/a', limits)
        assert content == b''
        assert error is not None

    def test_a_key_that_is_missing(self, bucket, s3):
        with serve(bucket, ranges=True) as (url, _):
            s3(url)
            _, error = get('s3://bucket/none')
        assert isinstance(error, FileNotFoundError)

    def test_a_listing_that_hangs(self, s3):
        with socket.create_server(('127.0.0.1', 0)) as server:
            s3(f'http://127.0.0.1:{server.getsockname()[1]}')
            begin = time.monotonic()
            limits = Limits(connect_timeout=0.3, total_timeout=1)
            with pytest.raises((TimeoutError, OSError)):
                expand_urls('s3://bucket/*.tar', limits)
            assert time.monotonic() - begin < SOON


def test_no_thread_is_left_waiting_for_the_server(shards):
    with serve(shards, faults={'0.tar': ['hang', '...']}) as (url, _):
        source = source_of(url, retries=0, connect_timeout=0.3)
        source.prefetch([0])
        with pytest.raises(SampleError):
            source.read_chunk(0)
    deadline = time.monotonic() + SOON
    names = ['m3i_mm transfer', 'm3i_mm prefetch']
    while time.monotonic() < deadline and any(
        thread.name in names for thread in threading.enumerate()
    ):
        time.sleep(0.01)
    assert not [t for t in threading.enumerate() if t.name in names]


def test_pictures_cross_the_network_whole(shards):
    with serve(shards) as (url, _):
        chunk = source_of(url).read_chunk(2)
    assert chunk[1]['img_bytes'] == picture(9)
