"""From sources to shards and back, and the check of a data set."""

import json
import tarfile

import pytest
from toy.shards import picture, sample_files, write_shard, write_shards

from m3i_mm.datasets import ImageFolderSource, ShardSource
from m3i_mm.datasets.converters.check import check_source
from m3i_mm.datasets.converters.inputs import open_source
from m3i_mm.datasets.converters.pack import pack_shards, unpack_shards
from m3i_mm.datasets.converters.shards import sha256

JPEG = picture(0, '.jpg', channels=3)


@pytest.fixture
def folder(tmp_path):
    """Classes a (3 pictures, one broken) and b (2, one of them like a's)."""
    for number, name in enumerate(('a/0', 'a/1', 'b/2')):
        path = tmp_path / f'images/{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number, '.png', channels=3))
    (tmp_path / 'images/a/9.jpg').write_bytes(b'broken')
    (tmp_path / 'images/b/3.png').write_bytes(picture(0, '.png', 3))
    return tmp_path


def test_pack_and_read_again(folder):
    source = ImageFolderSource(str(folder / 'images'))
    out = folder / 'shards'
    index = pack_shards(source, out, samples_per_shard=2, num_workers=2)
    assert [fault['key'] for fault in index['left_out']] == ['a/9.jpg']
    for shard in index['shardlist']:
        assert sha256(out / shard['url']) == shard['sha256']
    packed = ShardSource(str(out / '*.tar'))
    assert packed.chunk_sizes.sum() == 4  # from index.json
    before = {
        sample['sample_key']: sample['fields']['label']
        for sample in source
        if sample['sample_key'] != 'a/9.jpg'
    }
    after = {s['fields']['key']: s['fields']['label'] for s in packed}
    assert after == before
    with tarfile.open(out / '00000.tar') as archive:
        names = archive.getnames()
    assert {name.split('.')[1] for name in names} == {'png', 'cls', 'json'}


def test_packing_goes_on_where_it_stopped(folder):
    source = ImageFolderSource(str(folder / 'images'))
    whole, cut = folder / 'whole', folder / 'cut'
    expected = pack_shards(source, whole, samples_per_shard=2)
    pack_shards(source, cut, samples_per_shard=2, max_shards=1)
    (cut / '00001.part').write_bytes(b'half a shard')
    kept = (cut / '00000.tar').stat().st_mtime_ns
    assert pack_shards(source, cut, samples_per_shard=2) == expected
    assert (cut / '00000.tar').stat().st_mtime_ns == kept
    assert (cut / '00002.tar').read_bytes() == (
        whole / '00002.tar'
    ).read_bytes()
    with pytest.raises(ValueError, match='made with other settings'):
        pack_shards(source, cut, samples_per_shard=3)


def test_unpack(tmp_path):
    samples = {f'{i}': sample_files(i) for i in range(3)}
    samples['1']['webp'] = b'broken'
    write_shard(tmp_path / 'a.tar', samples)
    assert unpack_shards(open_source(f'{tmp_path}/a.tar'), tmp_path) == 2
    source = open_source(f'{tmp_path}/samples.jsonl', text='name')
    assert [s['fields']['text'] for s in source] == ['thing 0', 'thing 2']
    with open(next(iter(source))['img_path'], 'rb') as file:
        assert file.read() == picture(0)


def test_check_counts_everything(folder):
    report = check_source(ImageFolderSource(str(folder / 'images')), 2)
    assert report['samples'] == 5
    assert report['usable'] == 4
    assert report['faults'] == dict(image=1)
    assert report['examples'][0]['key'] == 'a/9.jpg'
    assert report['height']['median'] == 24
    assert report['width']['max'] == 20
    assert report['labels'] == dict(
        classes=2, min=0, max=1, rarest=2, commonest=2
    )
    assert report['duplicates'] == [('a/0.png', 'b/3.png')]
    assert report['text_length'] == {}


def test_check_measures_texts(tmp_path):
    for number, text in enumerate(['four', '', 'eighteen letters..']):
        (tmp_path / f'{number}.jpg').write_bytes(picture(number, '.jpg', 3))
        (tmp_path / f'{number}.txt').write_text(text)
    source = open_source(str(tmp_path), 'files')
    report = check_source(source)
    assert report['empty_texts'] == 1
    assert report['text_length']['max'] == 18


class TestInputs:
    def test_suffixes_and_kinds(self, folder):
        assert len(open_source(str(folder / 'images'))) == 5
        shards = write_shards(folder, (2, 3))
        assert len(open_source(shards)) == 5
        with pytest.raises(ValueError, match='kind is one of'):
            open_source(shards, 'lmdb')

    def test_files_of_img2dataset(self, tmp_path):
        (tmp_path / '0').mkdir()
        (tmp_path / '0/1.jpg').write_bytes(JPEG)
        (tmp_path / '0/1.txt').write_text('a cat')
        (tmp_path / '0/1.json').write_text('{"url": "http://x"}')
        (sample,) = open_source(str(tmp_path), 'files')
        assert sample['fields'] == dict(text='a cat', url='http://x')
        assert sample['sample_key'] == '0/1.jpg'

    def test_archives_of_imagenet22k(self, tmp_path):
        for name, keys in dict(n2='x', n1='yz').items():
            files = {f'{name}_{key}': dict(JPEG=JPEG) for key in keys}
            write_shard(tmp_path / f'{name}.tar', files)
        source = open_source(str(tmp_path), 'imagenet22k')
        assert source.classes == ['n1', 'n2']
        found = [
            (s['sample_key'], s['fields']['label'], s['img_bytes'] == JPEG)
            for s in source
        ]
        assert found == [
            ('n1/n1_y.JPEG', 0, True),
            ('n1/n1_z.JPEG', 0, True),
            ('n2/n2_x.JPEG', 1, True),
        ]
        with pytest.raises(FileNotFoundError, match='no archives'):
            open_source(str(tmp_path / 'none'), 'imagenet22k')
        (tmp_path / 'n3.tar').write_bytes(b'x' * 600)
        with pytest.raises(ValueError, match=r'n3\.tar is no uncompressed'):
            open_source(str(tmp_path), 'imagenet22k')

    def test_captions_of_coco(self, tmp_path):
        (tmp_path / 'a.jpg').write_bytes(JPEG)
        content = dict(
            images=[dict(id=7, file_name='a.jpg')],
            annotations=[
                dict(image_id=7, caption='one '),
                dict(image_id=7, caption='two'),
            ],
        )
        path = tmp_path / 'captions.json'
        path.write_text(json.dumps(content))
        (sample,) = open_source(str(path), 'coco', root=str(tmp_path))
        assert sample['fields']['text'] == ['one', 'two']
        path.write_text('{}')
        with pytest.raises(ValueError, match='is no COCO file'):
            open_source(str(path), 'coco', root=str(tmp_path))
        content['annotations'] = [dict(image_id=7, bbox=[0, 0, 1, 1])]
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match='holds no captions'):
            open_source(str(path), 'coco', root=str(tmp_path))
