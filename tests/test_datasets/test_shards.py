"""Shards as people have them: names, duplicates, damage, foreign files."""

import io
import json
import logging
import os
import pickle
import tarfile

import pytest
from toy.shards import picture

from m3i_mm.datasets import SampleError, ShardSource, SubsetSource
from m3i_mm.datasets.sources.shard_urls import expand_urls
from m3i_mm.datasets.sources.tar_index import TarIndex

JPEG = picture(0, '.jpg', channels=3)
OTHER = picture(1, '.jpg', channels=3)
PNG = picture(2, '.png')


def write(path, *members, **options):
    """Write ``(name, content)`` in order, names as often as they come."""
    with tarfile.open(path, 'w', **options) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(path)


def index_of(tmp_path, *names):
    path = write(tmp_path / 'a.tar', *((name, b'x') for name in names))
    with open(path, 'rb') as file:
        return TarIndex(file)


def groups(index):
    return [(index.key(i), sorted(index.files(i))) for i in range(len(index))]


def outcome(source):
    """What becomes of each position: its key, or the kind of its fault."""
    found = []
    for chunk in range(len(source.chunk_sizes)):
        try:
            samples = source.read_chunk(chunk)
        except SampleError as fault:
            found += [fault.kind] * source.chunk_sizes[chunk]
            continue
        for i in range(len(samples)):
            try:
                found.append(samples[i]['sample_key'])
            except SampleError as fault:
                found.append(fault.kind)
    return found


@pytest.fixture
def logged(monkeypatch):
    messages = []
    for module in ('shards', 'shard_sizes', 'shard_urls'):
        monkeypatch.setattr(
            f'm3i_mm.datasets.sources.{module}.print_log',
            lambda message, **kwargs: messages.append(
                (kwargs.get('level', logging.INFO), message)
            ),
        )
    return messages


def warnings(logged):
    return [text for level, text in logged if level == logging.WARNING]


class TestNames:
    @pytest.mark.parametrize(
        ('names', 'expected'),
        [
            # dots that are part of the key
            (
                'v_1.0.jpg v_1.0.txt v_1.5.jpg v_1.5.txt v_2.jpg',
                'v_1.0=jpg,txt v_1.5=jpg,txt v_2=jpg',
            ),
            ('v_1.jpg v_1.txt v_1.5.jpg', 'v_1=jpg,txt v_1.5=jpg'),
            ('a.b.jpg a.b.json c.d.jpg', 'a.b=jpg,json c.d=jpg'),
            ('7.input.jpg 7.input.txt', '7.input=jpg,txt'),
            ('a.1.jpg a.1.txt a.2.txt', 'a.1=jpg,txt a.2=txt'),
            ('a.jpg a.big.jpg a.big.cls', 'a=jpg a.big=cls,jpg'),
            # dots that are part of the suffix
            ('7.jpg 7.mask.png 7.json', '7=jpg,json,mask.png'),
            ('7.in.jpg 7.out.jpg 7.json', '7=in.jpg,json,out.jpg'),
            ('7.0.jpg 7.1.jpg 7.json', '7=0.jpg,1.jpg,json'),
            ('7.jpg 7.en.txt 7.de.txt', '7=de.txt,en.txt,jpg'),
            # spellings
            ('./a/1.JPG ./a/1.Txt a//2.jpg', 'a/1=jpg,txt a/2=jpg'),
            ('a/1.jpg b/1.jpg', 'a/1=jpg b/1=jpg'),
            ('x.y/1.jpg x.y/1.txt', 'x.y/1=jpg,txt'),
            ('/abs/1.jpg ../up/1.jpg', 'abs/1=jpg up/1=jpg'),
            # no files of a sample
            ('README 1.jpg ._1.jpg .hidden/../2.jpg', '1=jpg 2=jpg'),
            ('__MACOSX/1.jpg __meta__/1.json a/.x/1.jpg 1.jpg', '1=jpg'),
            # all pictures first, then all texts
            ('1.jpg 2.jpg 1.txt 2.txt', '1=jpg,txt 2=jpg,txt'),
            # a key that comes again is another sample
            ('1.jpg 1.txt 2.jpg 1.jpg 1.txt', '1=jpg,txt 1=jpg,txt 2=jpg'),
        ],
    )
    def test_files_of_a_sample(self, tmp_path, names, expected):
        index = index_of(tmp_path, *names.split())
        found = [f'{key}={",".join(files)}' for key, files in groups(index)]
        assert found == expected.split()
        assert index.damage is None

    @pytest.mark.parametrize('form', [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
    def test_long_and_foreign_names(self, tmp_path, form):
        name = 'd' * 130 + '/日本 #%é'
        path = write(
            tmp_path / 'a.tar',
            (f'{name}.jpg', JPEG),
            (f'{name}.txt', '\ufeff日本'.encode()),
            format=form,
        )
        (sample,) = ShardSource(path)
        assert sample == dict(
            sample_key=name, img_bytes=JPEG, fields=dict(text='日本')
        )

    def test_links(self, tmp_path):
        with tarfile.open(tmp_path / 'a.tar', 'w') as archive:
            member = tarfile.TarInfo('./1.jpg')
            member.size = len(JPEG)
            archive.addfile(member, io.BytesIO(JPEG))
            for name, kind, target in [
                ('2.jpg', tarfile.LNKTYPE, './1.jpg'),
                ('3.jpg', tarfile.LNKTYPE, '/etc/passwd'),
                ('4.jpg', tarfile.SYMTYPE, '/etc/passwd'),
                ('5.jpg', tarfile.FIFOTYPE, ''),
            ]:
                link = tarfile.TarInfo(name)
                link.type, link.linkname = kind, target
                archive.addfile(link)
        one, two = ShardSource(str(tmp_path / 'a.tar'))
        assert (one['sample_key'], two['sample_key']) == ('1', '2')
        assert one['img_bytes'] == two['img_bytes'] == JPEG


class TestContent:
    def read(self, tmp_path, *members, **options):
        path = write(tmp_path / 'a.tar', *members)
        return ShardSource(path, **options).read_chunk(0)[0]

    def test_which_picture(self, tmp_path):
        members = [('1.jpg', JPEG), ('1.mask.png', PNG)]
        assert self.read(tmp_path, *members)['img_bytes'] == JPEG
        chosen = self.read(tmp_path, *members, image='mask.png')
        assert chosen['img_bytes'] == PNG
        two = [('1.jpg', JPEG), ('1.png', PNG), ('1.txt', b'x')]
        with pytest.raises(
            SampleError, match=r'several.*\.jpg, \.png.*image='
        ):
            self.read(tmp_path, *two)
        assert self.read(tmp_path, *two, image='.PNG')['img_bytes'] == PNG
        # where there is one only, nothing is to be chosen
        only = self.read(tmp_path, ('1.jpg', JPEG), image='png')
        assert only['img_bytes'] == JPEG

    @pytest.mark.parametrize('suffix', ['bmp', 'tif', 'TIFF', 'avif', 'gif'])
    def test_all_kinds_of_pictures(self, tmp_path, suffix):
        sample = self.read(tmp_path, (f'1.{suffix}', b'...'))
        assert sample['img_bytes'] == b'...'

    def test_no_picture_names_what_there_is(self, tmp_path):
        with pytest.raises(SampleError, match=r'image fault in 1.*\.svg, .tx'):
            self.read(tmp_path, ('1.svg', b'<svg/>'), ('1.txt', b'x'))

    def test_fields_do_not_depend_on_the_order_of_files(self, tmp_path):
        members = [
            ('1.cls', b' 7\n'),
            ('1.json', b'{"label": "seven", "text": "no", "n": 1}'),
            ('1.txt', b'yes'),
            ('1.jpg', JPEG),
        ]
        for order in (members, members[::-1]):
            sample = self.read(tmp_path, *order)
            assert sample['fields'] == dict(label=7, text='yes', n=1)

    @pytest.mark.parametrize(
        ('name', 'content'),
        [
            ('1.json', b'null'),
            ('1.json', b'[1]'),
            ('1.json', b'{"a": '),
            ('1.json', b'[' * 100_000),
            ('1.json', b'{"a": "\xff"}'),
            ('1.txt', b'\xff\xfe'),
            ('1.cls', b'dog'),
            ('1.cls', b'1_0'),
            ('1.cls', b'1.5'),
            ('1.cls', b'9' * 5000),
            ('1.cls', b''),
        ],
    )
    def test_a_bad_file_is_a_fault_of_its_kind(self, tmp_path, name, content):
        with pytest.raises(SampleError) as fault:
            self.read(tmp_path, ('1.jpg', JPEG), (name, content))
        assert (fault.value.kind, fault.value.key) == (name[2:], '1')

    def test_sizes_have_limits(self, tmp_path):
        members = [('1.jpg', JPEG), ('1.json', b'{"a": "' + b'x' * 99 + b'"}')]
        with pytest.raises(SampleError, match='more than max_field_bytes=99'):
            self.read(tmp_path, *members, max_field_bytes=99)
        with pytest.raises(SampleError, match='more than max_image_bytes=99'):
            self.read(tmp_path, *members, max_image_bytes=99)
        bomb = tmp_path / 'bomb.tar.gz'
        with tarfile.open(bomb, 'w:gz') as archive:
            for name, size in [('1.jpg', 9), ('2.jpg', 2**23), ('3.jpg', 9)]:
                member = tarfile.TarInfo(name)
                member.size = size
                archive.addfile(member, io.BytesIO(bytes(size)))
        source = ShardSource(str(bomb), 3, max_shard_bytes=2**21)
        assert outcome(source) == ['1', 'missing', 'missing']


class TestDuplicates:
    def test_one_fault(self, tmp_path):
        members = [
            (f'{i}.{suffix}', content)
            for i in range(5)
            for suffix, content in [('jpg', JPEG), ('txt', b'x')]
        ]
        members.insert(3, ('1.jpg', OTHER))
        source = ShardSource(write(tmp_path / 'a.tar', *members))
        assert outcome(source) == ['0', 'duplicate', '2', '3', '4']

    def test_a_member_three_times_in_one_place(self, tmp_path):
        members = [('a.jpg', JPEG)] * 3 + [('b.jpg', OTHER)]
        source = ShardSource(write(tmp_path / 'a.tar', *members))
        assert outcome(source) == ['duplicate', 'b']


class TestDamage:
    """A tar of ``0.jpg``, ``0.cls`` ... in blocks of known places."""

    BLOCKS = 1 + -(-len(JPEG) // 512) + 1 + 1  # of one sample

    def shard(self, tmp_path, count=5):
        members = [
            (f'{i}.{suffix}', content)
            for i in range(count)
            for suffix, content in [('jpg', JPEG), ('cls', b'3')]
        ]
        return write(tmp_path / 'a.tar', *members)

    def cut(self, path, blocks, more=0):
        with open(path, 'r+b') as file:
            file.truncate(blocks * 512 + more)

    def test_between_picture_and_class(self, tmp_path, logged):
        path = self.shard(tmp_path)
        self.cut(path, 3 * self.BLOCKS - 2)
        assert outcome(ShardSource(path)) == ['0', '1', 'missing']
        assert 'breaks off' in warnings(logged)[0]
        assert outcome(ShardSource(path, 5)) == [
            '0',
            '1',
            'missing',
            'missing',
            'missing',
        ]

    @pytest.mark.parametrize('more', [-2 * 512 - 9, -300, 0, 100, 512, 700])
    def test_anywhere(self, tmp_path, more):
        path = self.shard(tmp_path)
        self.cut(path, 2 * self.BLOCKS, more)
        found = outcome(ShardSource(path, 5))
        assert found[0] == '0'
        assert set(found[1:]) <= {'1', 'missing'}
        assert found[2:] == ['missing'] * 3

    def test_a_damaged_header_costs_its_sample(self, tmp_path, logged):
        path = self.shard(tmp_path)
        with open(path, 'r+b') as file:
            file.seek((2 * self.BLOCKS + self.BLOCKS - 2) * 512 + 20)
            file.write(b'\xff' * 50)
        assert outcome(ShardSource(path)) == [
            '0',
            '1',
            'missing',
            'missing',
            '4',
        ]
        assert 'damaged' in warnings(logged)[0]

    def test_an_extended_header_of_nonsense(self, tmp_path):
        path = tmp_path / 'a.tar'
        write(path, ('1.jpg', JPEG), ('é' * 99 + '.jpg', JPEG), ('3.jpg', PNG))
        content = bytearray(path.read_bytes())
        place = content.find(b' path=')
        content[place - 3 : place + 6] = b'9999999 x'
        path.write_bytes(content)
        found = outcome(ShardSource(str(path)))
        assert found[0] in ('1', 'missing')
        assert len(found) >= 2

    def test_archives_one_behind_the_other(self, tmp_path):
        write(tmp_path / '1.tar', ('1.jpg', JPEG))
        write(tmp_path / '2.tar', ('2.jpg', OTHER))
        joined = tmp_path / 'both.tar'
        joined.write_bytes(
            (tmp_path / '1.tar').read_bytes()
            + (tmp_path / '2.tar').read_bytes()
        )
        assert outcome(ShardSource(str(joined))) == ['1', '2']

    def test_a_size_below_zero_ends(self, tmp_path):
        path = write(tmp_path / 'a.tar', ('1.jpg', JPEG), ('2.jpg', JPEG))
        with open(path, 'r+b') as file:
            content = bytearray(file.read())
            header = content[:512]
            header[124:136] = b'\xff' * 12
            header[148:156] = b' ' * 8
            header[148:156] = b'%06o\0 ' % sum(header)
            content[:512] = header
            file.seek(0)
            file.write(content)
        source = ShardSource(path, 2)
        assert set(outcome(source)) <= {'1', '2', 'missing', 'shard'}

    def test_cut_gzip_keeps_its_beginning(self, tmp_path):
        path = tmp_path / 'a.tar.gz'
        with tarfile.open(path, 'w:gz') as archive:
            for i in range(40):
                content = os.urandom(4000)
                member = tarfile.TarInfo(f'{i:02d}.jpg')
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        path.write_bytes(path.read_bytes()[:90_000])
        found = outcome(ShardSource(str(path), 40))
        assert found[:10] == [f'{i:02d}' for i in range(10)]
        assert found[-10:] == ['missing'] * 10

    @pytest.mark.parametrize('kind', ['gz', 'bz2', 'xz'])
    def test_compressed_whatever_the_name(self, tmp_path, kind):
        path = tmp_path / 'a.tar'
        with tarfile.open(path, f'w:{kind}') as archive:
            member = tarfile.TarInfo('1.jpg')
            member.size = len(JPEG)
            archive.addfile(member, io.BytesIO(JPEG))
        (sample,) = ShardSource(str(path), cache_dir=str(tmp_path))
        assert sample['img_bytes'] == JPEG
        assert os.listdir(tmp_path) == ['a.tar']  # nothing remains


class TestFoldersOfShards:
    def test_foreign_files_beside(self, tmp_path, logged):
        write(tmp_path / '00000.tar', ('1.jpg', JPEG))
        (tmp_path / '00000.json').write_text('{}')
        (tmp_path / '00000.parquet').write_bytes(b'PAR1')
        (tmp_path / '00001.tar.part').write_bytes(b'')
        (tmp_path / '._00000.tar').write_bytes(b'\0')
        (tmp_path / '00002.tar').mkdir()
        source = ShardSource(str(tmp_path / '*'))
        assert source.urls == [str(tmp_path / '00000.tar')]
        (message,) = [text for _, text in logged if 'no shards by' in text]
        assert '3 files' in message
        with pytest.raises(FileNotFoundError, match=r'is not called \.tar'):
            ShardSource(str(tmp_path / '*.parquet'))

    def test_one_of_zero_bytes(self, tmp_path, logged):
        write(tmp_path / '0.tar', ('1.jpg', JPEG))
        (tmp_path / '1.tar').write_bytes(b'')
        (tmp_path / '2.tar').write_bytes(b'<html>404</html>' * 99)
        write(tmp_path / '3.tar')
        source = ShardSource(str(tmp_path / '*.tar'))
        assert source.chunk_sizes.tolist() == [1, 0, 0, 0]
        one, two = warnings(logged)
        assert '1.tar, which is left out' in one
        assert '2.tar, which is left out' in two
        # an index that speaks of them makes counted faults of them
        assert outcome(ShardSource(str(tmp_path / '*.tar'), 2)) == [
            *('1', 'missing', 'shard', 'shard'),
            *('shard', 'shard', 'missing', 'missing'),
        ]

    @pytest.mark.parametrize(
        ('name', 'content'),
        [
            ('0_stats.json', ''),
            ('0_stats.json', '{"successes": '),
            ('0_stats.json', '{"successes": -1}'),
            ('0_stats.json', '{"successes": null}'),
            ('0_stats.json', '[]'),
            ('index.json', ''),
            ('index.json', '{"shardl'),
            ('index.json', '["a", "b"]'),
            ('index.json', '{"shardlist": {}}'),
            ('index.json', '{"shardlist": ["0.tar"]}'),
            ('index.json', '{"shardlist": [{"url": "0.tar"}]}'),
            ('index.json', '[' * 100_000),
            (
                'index.json',
                '{"shardlist": [{"url": "0.tar", "nsamples": -1}]}',
            ),
            (
                'index.json',
                '{"shardlist": [{"url": "0.tar", "nsamples": true}]}',
            ),
        ],
    )
    def test_what_is_no_count_is_counted(
        self, tmp_path, logged, name, content
    ):
        path = write(tmp_path / '0.tar', ('1.jpg', JPEG), ('2.jpg', JPEG))
        (tmp_path / name).write_text(content)
        assert len(ShardSource(path)) == 2
        (message,) = warnings(logged)
        assert f'{name} is left aside' in message

    def test_an_index_that_disagrees_is_met(self, tmp_path, logged):
        path = write(
            tmp_path / '0.tar', *((f'{i}.jpg', JPEG) for i in range(5))
        )

        def index(**entry):
            content = dict(shardlist=[dict(url='0.tar', **entry)])
            (tmp_path / 'index.json').write_text(json.dumps(content))
            return ShardSource(path)

        assert len(list(index(nsamples=2))) == 2
        assert 'holds 5 samples, of which only the 2' in warnings(logged)[0]
        assert outcome(index(nsamples=7))[5:] == ['missing'] * 2
        assert len(index(nsamples=0)) == 5
        size = os.path.getsize(path)
        assert len(index(nsamples=2, filesize=size - 1)) == 5
        assert 'is another file than index.json says' in warnings(logged)[-1]
        assert len(index(nsamples=4, filesize=size)) == 4

    def test_an_index_of_several_folders(self, tmp_path):
        for name, count in [('train', 2), ('val', 1)]:
            (tmp_path / name).mkdir()
            write(
                tmp_path / name / '0.tar',
                *((f'{i}.jpg', JPEG) for i in range(count)),
            )
        entries = [
            dict(url='val/0.tar', nsamples=11),
            dict(url='train/0.tar', nsamples=22),
        ]
        (tmp_path / 'train/index.json').write_text(
            json.dumps(dict(shardlist=entries))
        )
        # neither is the one beside it: counted
        assert len(ShardSource(str(tmp_path / 'train/*.tar'))) == 2

    def test_an_index_cannot_name_what_is_read(self, tmp_path):
        path = write(tmp_path / '0.tar', ('1.jpg', JPEG))
        entries = [
            dict(url=f'pipe:touch {tmp_path}/ran', nsamples=1),
            dict(url='../../0.tar', nsamples=1),
        ]
        (tmp_path / 'index.json').write_text(
            json.dumps(dict(shardlist=entries))
        )
        source = ShardSource(path)
        assert source.urls == [path]
        assert len(list(source)) == 1
        assert not (tmp_path / 'ran').exists()


class TestCommands:
    def test_a_file_name_is_no_command(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        names = ['pipe:touch ran;.tar', 'pipe:x.tar', 'plain.tar']
        for name in names:
            write(tmp_path / name, ('1.jpg', JPEG))
        (tmp_path / 'http:').mkdir()
        write(tmp_path / 'http:/b.tar', ('1.jpg', JPEG))
        for pattern in ('*.tar', 'p*.tar', './*.tar'):
            source = ShardSource(pattern)
            assert [s['img_bytes'] for s in source] == [JPEG] * 3
        assert len(ShardSource('*/b.tar')) == 1
        assert len(ShardSource('*//b.tar')) == 1
        assert not (tmp_path / 'ran').exists()

    def test_what_the_user_wrote_runs(self, tmp_path):
        path = write(tmp_path / 'a.tar', ('1.jpg', JPEG))
        assert outcome(ShardSource(f'pipe:cat {path}', 1)) == ['1']
        failing = ShardSource('pipe:exit 3', 1, retries=0)
        with pytest.raises(SampleError, match='exit status 3'):
            failing.read_chunk(0)

    def test_addresses_of_files(self, tmp_path):
        path = write(tmp_path / 'a b.tar', ('1.jpg', JPEG))
        address = f'file://{path.replace(" ", "%20")}'
        assert expand_urls(address) == [path]

    def test_a_library_that_is_missing(self, monkeypatch):
        def missing(protocol):
            raise ImportError(f'Install what reads {protocol}')

        monkeypatch.setattr('fsspec.get_filesystem_class', missing)
        with pytest.raises(ImportError, match='reads gs'):
            ShardSource('gs://bucket/0.tar', 1)


def test_sources_and_open_shards_cross_to_workers(tmp_path):
    source = ShardSource(write(tmp_path / 'a.tar', ('1.jpg', JPEG)))
    source.read_chunk(0)
    assert outcome(pickle.loads(pickle.dumps(source))) == ['1']


def test_no_room_for_copies_is_said(tmp_path):
    path = tmp_path / 'a.tar.gz'
    with tarfile.open(path, 'w:gz') as archive:
        archive.addfile(tarfile.TarInfo('1.jpg'))
    source = ShardSource(str(path), 1, cache_dir=str(tmp_path / 'none'))
    with pytest.raises(RuntimeError, match='Choose another folder by cache_'):
        source.read_chunk(0)


def test_a_choice_leaves_out_what_cannot_be_read(tmp_path, monkeypatch):
    messages = []
    monkeypatch.setattr(
        'm3i_mm.datasets.sources.subset.print_log',
        lambda message, **kwargs: messages.append(message),
    )
    write(
        tmp_path / '0.tar',
        *((f'{i}.{s}', c) for i, c in enumerate([b'1', b'x', b'1', b'2'])
          for s, c in [('jpg', JPEG), ('cls', c)]),
    )  # fmt: skip
    (tmp_path / '1.tar').write_bytes(b'')
    source = ShardSource(str(tmp_path / '*.tar'), 4)
    subset = SubsetSource(source, dict(label=1))
    assert [sample['sample_key'] for sample in subset] == ['0', '2']
    (message,) = messages
    assert '2 samples or shards cannot be read' in message
    assert 'cls fault in 1' in message
