"""The emoji data as it is committed."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / 'data' / 'emoji'


@pytest.fixture(scope='module')
def meta():
    return json.loads((FOLDER / 'meta.json').read_text())


def test_shards_are_those_of_the_meta_file(meta):
    shards = {
        name: digest
        for split in meta['splits'].values()
        for name, digest in split['shards'].items()
    }
    assert shards == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FOLDER.glob('*.tar.gz')
    }


def test_index_has_the_sizes_of_the_shards(meta):
    index = json.loads((FOLDER / 'index.json').read_text())
    for shard in index['shardlist']:
        split = meta['splits'][shard['url'].split('-')[0]]
        assert split['shards'][shard['url']] == shard['sha256']
        with tarfile.open(FOLDER / shard['url']) as archive:
            names = archive.getnames()
        assert sum(n.endswith('.webp') for n in names) == shard['nsamples']
    assert len(index['shardlist']) == len(list(FOLDER.glob('*.tar.gz')))


def test_repository_stays_small():
    sizes = [p.stat().st_size for p in FOLDER.rglob('*') if p.is_file()]
    assert sum(sizes) <= 16e6


def test_every_vendor_has_a_licence(meta):
    names = [path.name for path in (FOLDER / 'LICENSES').iterdir()]
    for vendor in [*meta['vendors'], 'emojibase-data']:
        assert any(name.startswith(f'{vendor}-') for name in names)


def test_tool_names_a_missing_package(run_tool, tmp_path):
    result = run_tool(
        '../projects/emoji/build_emoji.py',
        '--packages',
        tmp_path,
        check=False,
    )
    assert result.returncode != 0
    assert 'npm pack emojibase-data@' in result.stderr
    assert 'Traceback' not in result.stderr
