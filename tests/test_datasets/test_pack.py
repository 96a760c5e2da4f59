"""From sources to shards and back, and the check of a data set."""

import datetime
import decimal
import errno
import io
import json
import re
import tarfile

import pytest
from PIL import Image
from toy.shards import picture, sample_files, write_shard, write_shards

from m3i_mm.datasets import DataError, ImageFolderSource, ShardSource
from m3i_mm.datasets.converters.check import check_source
from m3i_mm.datasets.converters.inputs import one_line_errors, open_source
from m3i_mm.datasets.converters.pack import locked, pack_shards, unpack_shards
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
    with pytest.raises(DataError, match='made with other settings'):
        pack_shards(source, cut, samples_per_shard=3)


def write_list(folder, content, name='list.csv'):
    for number in range(3):
        path = folder / f'{number}.jpg'
        path.write_bytes(picture(number, '.jpg', channels=3))
    (folder / name).write_text(content)
    return str(folder / name)


def packed(path, out, **options):
    pack_shards(open_source(path, **options), out, seed=None)
    return list(ShardSource(str(out / '*.tar')))


def test_a_finished_folder_belongs_to_one_list(tmp_path):
    rows = 'image,text,title\n0.jpg,a,A\n1.jpg,b,B\n'
    path, out = write_list(tmp_path, rows), tmp_path / 'out'
    assert [s['fields']['text'] for s in packed(path, out)] == ['a', 'b']
    assert [s['fields']['text'] for s in packed(path, out)] == ['a', 'b']
    with pytest.raises(DataError, match='or of another list'):
        packed(path, out, text='title')
    with pytest.raises(DataError, match='or of another list'):
        packed(path, out, root='/')
    write_list(tmp_path, rows.replace('b', 'c'))
    with pytest.raises(DataError, match='or of another list'):
        packed(path, out)
    (out / 'settings.json').write_text('{')
    with pytest.raises(DataError, match=r'settings\.json is no JSON'):
        packed(path, out)


def test_two_packers_do_not_share_a_folder(tmp_path):
    path = write_list(tmp_path, 'image,text\n0.jpg,a\n')
    (tmp_path / 'out').mkdir()
    with (
        locked(tmp_path / 'out'),
        pytest.raises(DataError, match='Another process writes to'),
    ):
        packed(path, tmp_path / 'out')
    assert len(packed(path, tmp_path / 'out')) == 1


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    path = write_list(tmp_path, 'image,text\n0.jpg,a\n')

    def replace(source, target):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('os.replace', replace)
        with pytest.raises(OSError, match=r'out/\S+ cannot be written: No'):
            packed(path, tmp_path / 'out')
    assert not list((tmp_path / 'out').glob('*.part'))
    assert len(packed(path, tmp_path / 'out')) == 1


def test_captions_dates_and_numbers_keep_their_writing(tmp_path):
    path = write_list(
        tmp_path,
        'image,text,taken,n\n0.jpg,007,2020-01-01,3\n1.jpg,,2020-01-02,2.5\n',
    )
    first, second = packed(path, tmp_path / 'out')
    assert first['fields'] == dict(
        key='0:0.jpg', text='007', taken='2020-01-01', n=3
    )
    assert second['fields']['n'] == 2.5
    with tarfile.open(tmp_path / 'out/00000.tar') as archive:
        assert archive.extractfile('000000000.txt').read() == b'007'
    report = check_source(open_source(path))
    assert report['text_length']['max'] == 3
    assert report['empty_texts'] == 1


def test_odd_types_are_packed(tmp_path):
    pyarrow = pytest.importorskip('pyarrow')
    parquet = pytest.importorskip('pyarrow.parquet')
    write_list(tmp_path, '')
    row = dict(
        image='0.jpg',
        text=1984,
        day=datetime.date(2020, 1, 2),
        time=datetime.datetime(2020, 1, 2, 3, 4),
        price=decimal.Decimal('2.50'),
        nothing=float('nan'),
        lists=[[1.5, None], []],
        deep=dict(a=b'text'),
        label=3.0,
    )
    table = pyarrow.Table.from_pylist([row])
    parquet.write_table(table, tmp_path / 'list.parquet')
    path = str(tmp_path / 'list.parquet')
    (sample,) = packed(path, tmp_path / 'out', label='label')
    assert sample['fields'] == dict(
        key='0:0.jpg',
        text='1984',
        label=3,
        day='2020-01-02',
        time='2020-01-02T03:04:00',
        price='2.50',
        nothing=None,
        lists=[[1.5, None], []],
        deep=dict(a='text'),
    )
    row['deep'] = dict(a=b'\xff\xfe')
    parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    with pytest.raises(DataError, match="field 'deep' of 0:0.jpg in list"):
        packed(path, tmp_path / 'other')


@pytest.mark.parametrize('form', ['BMP', 'TIFF', 'GIF', 'JPEG2000', 'PPM'])
def test_pictures_of_all_kinds_are_packed(tmp_path, form):
    stream = io.BytesIO()
    Image.new('RGB', (20, 24), (9, 8, 7)).save(stream, form)
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in/a.tif').write_bytes(stream.getvalue())
    pack_shards(ImageFolderSource(str(tmp_path / 'in')), tmp_path / 'out')
    (sample,) = ShardSource(str(tmp_path / 'out/*.tar'))
    assert sample['img_bytes'] == stream.getvalue()


def test_tools_end_with_one_line(tmp_path):
    path = write_list(tmp_path, 'image,text\n0.jpg\n')
    for error in (
        lambda: open_source(path),
        lambda: open_source(str(tmp_path / 'none.csv')),
        lambda: open_source(write_list(tmp_path, 'a,b\n1,2\n')),
    ):
        with pytest.raises(SystemExit) as ended, one_line_errors():
            error()
        assert re.match(r'error: .*(list|none)\.csv[^\n]*$', str(ended.value))


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
        (tmp_path / 'captions.jsonl').write_text('my own')
        (sample,) = open_source(str(path), 'coco', root=str(tmp_path))
        assert (tmp_path / 'captions.jsonl').read_text() == 'my own'
        assert sample['fields']['text'] == ['one', 'two']
        for broken in ('{}', '[]', '{"annotations": [3]}', '[' * 10**5, 'x'):
            path.write_text(broken)
            with pytest.raises(DataError, match=r'ns\.json is no COCO file'):
                open_source(str(path), 'coco', root=str(tmp_path))
        content['annotations'] = [dict(image_id=7, bbox=[0, 0, 1, 1])]
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match='holds no captions'):
            open_source(str(path), 'coco', root=str(tmp_path))


def test_a_list_of_labels_opens_without_texts(tmp_path):
    path = write_list(tmp_path, 'image,label\n0.jpg,3\n')
    assert open_source(path)[0]['fields']['text'] == []


def test_coco_says_that_it_needs_the_pictures(tmp_path):
    with pytest.raises(DataError, match='--source-options root=FOLDER'):
        open_source(str(tmp_path / 'captions.json'), 'coco')
