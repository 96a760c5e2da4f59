"""Sources: what they read and what they complain about."""

import json
import tarfile
import zipfile

import pytest
from toy.shards import picture, sample_files, write_shard, write_shards

from m3i_mm.datasets import (
    DataError,
    HuggingFaceSource,
    ImageFolderSource,
    ImageNetSource,
    ImageTextListSource,
    SampleError,
    ShardSource,
)
from m3i_mm.datasets.source_dataset import SourceDataset
from m3i_mm.datasets.sources.shard_urls import expand_urls
from m3i_mm.datasets.sources.subset import SubsetSource
from m3i_mm.datasets.transforms import ChooseText, DecodeImage

JPEG = picture(0, '.jpg', channels=3)


def keys(source):
    return [sample['sample_key'] for sample in source]


class TestShards:
    def test_samples_in_order(self, tmp_path):
        source = ShardSource(write_shards(tmp_path))
        assert source.chunk_sizes.tolist() == [7, 5, 6, 8]
        assert keys(source) == [f'{i:04d}' for i in range(26)]
        sample = source.read_chunk(1)[2]
        assert sample['img_bytes'] == picture(9)
        assert sample['fields']['name'] == 'thing 9'

    def test_text_and_class_files(self, tmp_path):
        files = dict(jpg=JPEG, txt='ein Bär'.encode(), cls=b'12')
        write_shard(tmp_path / 'a.tar', {'x/1': files})
        (sample,) = ShardSource(str(tmp_path / 'a.tar'))
        assert sample['sample_key'] == 'x/1'
        assert sample['fields'] == dict(text='ein Bär', label=12)

    def test_braces_pipes_and_wildcards(self, tmp_path):
        write_shards(tmp_path, (2, 3), 'tar')
        braces = str(tmp_path / 'train-{000..001}.tar')
        assert expand_urls([braces]) == expand_urls(
            str(tmp_path / 'train-*.tar')
        )
        assert expand_urls('s3://b/{0..2}.tar')[2] == 's3://b/2.tar'
        pipe = f'pipe:cat {tmp_path}/train-001.tar'
        assert keys(ShardSource(pipe, samples_per_shard=3)) == [
            '0002',
            '0003',
            '0004',
        ]

    def test_sizes_from_index_or_img2dataset(self, tmp_path):
        urls = write_shards(tmp_path, (2, 3), 'tar')
        index = dict(shardlist=[dict(url='train-000.tar', nsamples=77)])
        (tmp_path / 'index.json').write_text(json.dumps(index))
        (tmp_path / 'train-001_stats.json').write_text('{"successes": 55}')
        assert ShardSource(urls).chunk_sizes.tolist() == [77, 55]

    def test_broken_members_are_faults_of_one_sample(self, tmp_path):
        samples = {f'{i}': sample_files(i) for i in range(3)}
        samples['1']['json'] = b'{"name": '
        write_shard(tmp_path / 'a.tar', samples)
        chunk = ShardSource(str(tmp_path / 'a.tar')).read_chunk(0)
        assert chunk[0]['sample_key'] == '0'
        assert chunk[2]['sample_key'] == '2'
        with pytest.raises(SampleError, match='json fault in 1'):
            chunk[1]

    def test_truncated_shard_keeps_its_beginning(self, tmp_path):
        path = tmp_path / 'a.tar'
        write_shard(path, {f'{i}': sample_files(i) for i in range(6)})
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        chunk = ShardSource(str(path), samples_per_shard=6).read_chunk(0)
        assert chunk[0]['sample_key'] == '0'
        with pytest.raises(SampleError, match=r'missing fault.*a\.tar\[5\]'):
            chunk[5]

    def test_no_archive_at_all(self, tmp_path):
        path = tmp_path / 'a.tar'
        path.write_bytes(b'not a tar file' * 100)
        with pytest.raises(SampleError, match=r'shard fault in .*a\.tar'):
            ShardSource(str(path), samples_per_shard=6).read_chunk(0)
        with pytest.raises(OSError, match=r'Cannot read the shard .*a\.tar'):
            ShardSource(str(path))

    def test_missing_shards(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r'val-\*\.tar'):
            ShardSource(str(tmp_path / 'val-*.tar'))
        write_shards(tmp_path, (2,), 'tar')
        with pytest.raises(FileNotFoundError, match=r'train-001\.tar'):
            ShardSource(str(tmp_path / 'train-{000..001}.tar'))
        with pytest.raises(ValueError, match='Set samples_per_shard'):
            ShardSource('pipe:cat a.tar')
        with pytest.raises(FileNotFoundError, match='list of URLs is empty'):
            ShardSource([])


class TestSubset:
    def test_fields_choose(self, tmp_path):
        source = ShardSource(write_shards(tmp_path))
        subset = SubsetSource(source, dict(vendor=['a', 'b'], heldout=True))
        found = [int(key) for key in keys(subset)]
        assert found == [
            i for i in range(26) if i % 3 in (0, 1) and i % 2 == 0
        ]

    def test_nothing_or_unknown(self, tmp_path):
        source = ShardSource(write_shards(tmp_path, (2,)))
        with pytest.raises(ValueError, match="No sample .*'vendor': 'z'"):
            SubsetSource(source, dict(vendor='z'))
        with pytest.raises(KeyError, match="no field 'maker'"):
            SubsetSource(source, dict(maker='z'))


class TestFolder:
    @pytest.fixture
    def root(self, tmp_path):
        for name in ('n02/b.JPEG', 'n01/x/a.jpg', 'n01/c.webp', 'n03/d.png'):
            path = tmp_path / 'data' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(JPEG)
        (tmp_path / 'data/n01/notes.txt').write_text('no picture')
        return tmp_path / 'data'

    def test_labels_are_folders(self, root):
        source = ImageFolderSource(str(root))
        assert source.classes == ['n01', 'n02', 'n03']
        assert [(s['sample_key'], s['fields']['label']) for s in source] == [
            ('n01/c.webp', 0),
            ('n01/x/a.jpg', 0),
            ('n02/b.JPEG', 1),
            ('n03/d.png', 2),
        ]

    def test_without_labels(self, root):
        (root / 'loose.jpg').write_bytes(JPEG)
        source = ImageFolderSource(str(root))
        assert len(source) == 5
        assert all(sample['fields'] == {} for sample in source)
        with pytest.raises(ValueError, match=r'loose\.jpg is in no folder'):
            ImageFolderSource(str(root), labels=True)

    def test_lists(self, root, tmp_path):
        listed = tmp_path / 'list.txt'
        listed.write_text('n02/b.JPEG 7\nn01/x/a.jpg 3\n')
        source = ImageFolderSource(str(root), str(listed))
        assert [s['fields']['label'] for s in source] == [7, 3]
        listed.write_text('n02/b.JPEG\n')
        (sample,) = ImageFolderSource(str(root), str(listed))
        assert sample['fields'] == {}
        listed.write_text('n02/b.JPEG 7\nn01/x/a.jpg cat\n')
        with pytest.raises(ValueError, match='line 2: expected "path label"'):
            ImageFolderSource(str(root), str(listed))

    @pytest.mark.parametrize(
        'name', ['.ipynb_checkpoints', '__MACOSX', '@eaDir', '.Trash-1000']
    )
    def test_hidden_and_foreign_folders_are_no_classes(self, root, name):
        for place in (root, root / 'n02'):
            (place / name).mkdir()
            (place / name / 'a-checkpoint.jpg').write_bytes(JPEG)
        (root / 'n01/._c.webp').write_bytes(b'\0\5\26\7')
        (root / 'empty').mkdir()
        (root / 'n01/Thumbs.db').write_bytes(b'no picture')
        source = ImageFolderSource(str(root))
        assert source.classes == ['n01', 'n02', 'n03']
        assert len(source) == 4

    def test_classes_by_name(self, root):
        source = ImageFolderSource(
            str(root), classes=['n03', 'other', 'n02', 'n01']
        )
        assert [s['fields']['label'] for s in source] == [3, 3, 2, 0]
        with pytest.raises(DataError, match=r'n03 is the folder of no class'):
            ImageFolderSource(str(root), classes=['n01', 'n02'])

    def test_links_that_loop(self, root, tmp_path):
        outside = tmp_path / 'outside'
        (outside / 'deep').mkdir(parents=True)
        (outside / 'deep/x.jpg').write_bytes(JPEG)
        (outside / 'back').symlink_to(root)
        for place, target in {
            'n02/self': root / 'n02', 'n02/up': root, 'n01/over': root / 'n02',
            'n02/over': root / 'n01', 'n00': root / 'n03', 'n04': outside,
            'n05': outside, 'n03/e.png': root / 'n03/d.png',
            'n03/gone': tmp_path / 'gone', 'n03/gone.jpg': tmp_path / 'gone',
        }.items():  # fmt: skip
            (root / place).symlink_to(target)
        source = ImageFolderSource(str(root))
        assert sorted(keys(source)) == [
            'n01/c.webp', 'n01/x/a.jpg', 'n02/b.JPEG', 'n03/d.png',
            'n03/e.png', 'n03/gone.jpg', 'n04/deep/x.jpg',
        ]  # fmt: skip
        assert source.classes == ['n01', 'n02', 'n03', 'n04']

    def test_a_list_stays_below_the_folder(self, root, tmp_path):
        listed = tmp_path / 'list.txt'
        listed.write_text('../a.jpg 0\n/etc/passwd 1\nn01/../n02/b.JPEG 2\n')
        source = ImageFolderSource(str(root), str(listed))
        for index in (0, 1):
            with pytest.raises(SampleError, match='lies outside of'):
                source[index]
        assert source[2]['fields'] == dict(label=2)
        listed.write_bytes(b'n02/caf\xe9.jpg 0\n')
        with pytest.raises(ValueError, match=r'list\.txt is not in UTF-8'):
            ImageFolderSource(str(root), str(listed))

    def test_missing_or_empty(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='no folder'):
            ImageFolderSource(str(tmp_path / 'none'))
        with pytest.raises(FileNotFoundError, match='no pictures in'):
            ImageFolderSource(str(tmp_path))

    def test_imagenet(self, root):
        (root / 'val').mkdir()
        (root / 'val/1.jpg').write_bytes(JPEG)
        (root / 'val/2.jpg').write_bytes(JPEG)
        (root / 'meta').mkdir()
        (root / 'meta/val.txt').write_text('1.jpg 1\n2.jpg 0\n')
        source = ImageNetSource(str(root), 'val', num_classes=2)
        assert [s['fields']['label'] for s in source] == [1, 0]
        with pytest.raises(ValueError, match='has 2 classes, expected 1000'):
            ImageNetSource(str(root), 'val')
        with pytest.raises(FileNotFoundError, match='images_two_views_224'):
            ImageNetSource(str(root), 'train')


pyarrow = pytest.importorskip('pyarrow')


class TestList:
    ROWS = [
        dict(image='a.jpg', text='a cat', n=1),
        dict(image='b/c.jpg', text='zwei, "Bären"', n=0),
    ]

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / 'b').mkdir()
        for row in self.ROWS:
            (tmp_path / row['image']).write_bytes(JPEG)
        return tmp_path

    def write(self, path):
        from pyarrow import csv, parquet

        table = pyarrow.Table.from_pylist(self.ROWS)
        if path.suffix == '.parquet':
            parquet.write_table(table, path)
        elif path.suffix == '.jsonl':
            path.write_text('\n'.join(map(json.dumps, self.ROWS)))
        else:
            delimiter = '\t' if path.suffix == '.tsv' else ','
            options = csv.WriteOptions(delimiter=delimiter)
            csv.write_csv(table, path, options)
        return str(path)

    @pytest.mark.parametrize('suffix', ['csv', 'tsv', 'jsonl', 'parquet'])
    def test_all_kinds_hold_the_same(self, folder, suffix):
        path = self.write(folder / f'list.{suffix}')
        first, second = ImageTextListSource(path, label='n')
        assert first['fields'] == dict(text='a cat', label=1)
        assert second['fields']['text'] == 'zwei, "Bären"'
        assert second['img_path'] == str(folder / 'b/c.jpg')
        assert first['sample_key'] == '0:a.jpg'

    def test_headless_and_several_texts(self, folder):
        (folder / 'list.tsv').write_text('a.jpg\tone\ttwo\n')
        (sample,) = ImageTextListSource(
            str(folder / 'list.tsv'),
            column_names=['file', 'short', 'long'],
            image='file',
            text=['short', 'long'],
        )
        assert sample['fields'] == dict(text=['one', 'two'])

    @pytest.mark.parametrize('kind', ['zip', 'tar'])
    def test_archives(self, folder, kind):
        path = self.write(folder / 'list.jsonl')
        archive = folder / f'images.{kind}'
        opened = (
            zipfile.ZipFile(archive, 'w')
            if kind == 'zip'
            else tarfile.open(archive, 'w')  # noqa: SIM115
        )
        with opened:
            add = opened.write if kind == 'zip' else opened.add
            add(folder / 'a.jpg', 'a.jpg')
        source = ImageTextListSource(path, root=str(archive))
        assert source[0]['img_bytes'] == JPEG
        with pytest.raises(SampleError, match=r'image fault in b/c\.jpg'):
            source[1]

    def test_mistakes(self, folder):
        path = self.write(folder / 'list.csv')
        with pytest.raises(KeyError, match="no column 'caption'"):
            ImageTextListSource(path, text='caption')
        with pytest.raises(FileNotFoundError, match='no list'):
            ImageTextListSource(str(folder / 'none.csv'))
        with pytest.raises(FileNotFoundError, match='no folder or archive'):
            ImageTextListSource(path, root=str(folder / 'none'))
        with pytest.raises(ValueError, match='rename it'):
            ImageTextListSource(str(folder / 'a.jpg'))
        (folder / 'bad.tar').write_bytes(b'x' * 2000)
        with pytest.raises(ValueError, match=r'bad\.tar is no readable'):
            ImageTextListSource(path, root=str(folder / 'bad.tar'))
        (folder / 'empty.csv').write_text('image,text\n')
        with pytest.raises(ValueError, match='is empty'):
            ImageTextListSource(str(folder / 'empty.csv'))


class TestHuggingFace:
    @pytest.fixture
    def files(self, tmp_path):
        pytest.importorskip('datasets')
        from pyarrow import parquet

        for shard in range(2):
            rows = [
                dict(image=dict(bytes=JPEG, path=None), caption=f'{i}', y=i)
                for i in range(3 * shard, 3 * shard + 3)
            ]
            table = pyarrow.Table.from_pylist(rows)
            parquet.write_table(table, tmp_path / f'{shard}.parquet')
        return dict(
            path='parquet',
            data_files=str(tmp_path / '*.parquet'),
            cache_dir=str(tmp_path / 'cache'),
            text='caption',
            label='y',
        )

    def test_arrow_and_streaming_are_the_same(self, files):
        source = HuggingFaceSource(**files)
        streamed = HuggingFaceSource(
            **files, streaming=True, samples_per_shard=4
        )
        assert len(source) == 6
        assert source.random_access
        assert not streamed.random_access
        assert streamed.chunk_sizes.tolist() == [4, 4]
        chunk = streamed.read_chunk(1)
        assert chunk[0]['fields'] == dict(text='3', label=3)
        assert chunk[0]['fields'] == source.read_chunk(0)[3]['fields']
        assert chunk[0]['img_bytes'] == JPEG
        with pytest.raises(SampleError, match='missing fault'):
            chunk[3]

    def test_rows_of_any_kind(self, tmp_path):
        datasets = pytest.importorskip('datasets')
        names = datasets.ClassLabel(names=['cat', 'dog'])
        features = datasets.Features(
            image=datasets.Image(), y=names, caption=datasets.Value('string')
        )
        rows = dict(
            image=[dict(bytes=JPEG), None, dict(bytes=b'')],
            y=[1, 0, 1],
            caption=['one', None, 'three'],
        )
        data = datasets.Dataset.from_dict(rows, features)
        data.save_to_disk(str(tmp_path / 'data'))
        source = HuggingFaceSource(
            str(tmp_path / 'data'), text='caption', label='y'
        )
        assert list(source.classes) == ['cat', 'dog']
        assert [s['fields']['label'] for s in source] == [1, 0, 1]
        data = SourceDataset(
            source, [DecodeImage(), ChooseText(skip_empty=True)]
        )
        assert data[0]['text'] == 'one'
        for index in (1, 2):
            with pytest.raises(SampleError, match=r'image fault in .*\[0\]\['):
                data[index]

    def test_mistakes(self, files):
        with pytest.raises(KeyError, match="no column 'picture'"):
            HuggingFaceSource(**files, image='picture')
        with pytest.raises(ValueError, match='needs samples_per_shard'):
            HuggingFaceSource(**files, streaming=True)
