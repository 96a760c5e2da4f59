"""Lists as people write them: each row right, or the line named."""

import copy
import csv
import json
import multiprocessing
import pickle
import random

import pytest

from m3i_mm.datasets import ImageTextListSource, SampleError
from m3i_mm.datasets.sources import parquet_table, text_tables
from m3i_mm.datasets.sources.tables import read_table

pytestmark = pytest.mark.openmmlab


def rows(path, **options):
    table = read_table(str(path), **options)
    return [
        row
        for chunk in range(len(table.chunk_sizes))
        for row in table.read_chunk(chunk)
    ]


def write(path, content):
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    return str(path)


@pytest.fixture(params=[2**24, 7], ids=['one block', 'blocks of 7 bytes'])
def _blocks(request, monkeypatch):
    """Rows are found across the borders of blocks, too."""
    monkeypatch.setattr(text_tables, 'BLOCK', request.param)


@pytest.mark.usefixtures('_blocks')
class TestTabs:
    def test_nothing_is_quoted(self, tmp_path):
        texts = ['first', '"unclosed', 'it"s', '"closed"', "'", '""', 'end"']
        content = ''.join(f'{i}.jpg\t{t}\n' for i, t in enumerate(texts))
        path = write(tmp_path / 'l.tsv', 'image\ttext\n' + content)
        assert [row['text'] for row in rows(path)] == texts

    def test_a_quoted_header_says_that_all_is_quoted(self, tmp_path):
        content = '"image"\t"text"\n"a"\t"one ""two""\tthree\n"\n'
        path = write(tmp_path / 'l.tsv', content)
        assert rows(path) == [dict(image='a', text='one "two"\tthree\n')]

    @pytest.mark.parametrize('end', ['\n', '\r\n', '\n\n', '\r\n\r\n'])
    @pytest.mark.parametrize('last', [True, False])
    def test_line_ends_blank_lines_and_marks(self, tmp_path, end, last):
        lines = ['image\ttext', *(f'{i}.jpg\tü {i}🐈' for i in range(70))]
        content = '\ufeff' + end.join(lines) + end * last
        found = rows(write(tmp_path / 'l.TSV', content))
        assert [row['text'] for row in found] == [
            f'ü {i}🐈' for i in range(70)
        ]
        assert found[69]['image'] == '69.jpg'

    def test_without_header(self, tmp_path):
        path = write(tmp_path / 'l.tsv', 'http://x/1\t"a\nhttp://x/2\tb\n')
        found = rows(path, column_names=['url', 'caption'])
        assert [row['caption'] for row in found] == ['"a', 'b']

    @pytest.mark.parametrize('cells', ['c.jpg', 'c.jpg\tx\ty'])
    def test_a_line_with_other_cells_is_named(self, tmp_path, cells):
        content = f'image\ttext\na\tx\n\nb\ty\n{cells}\nd\tz\n'
        with pytest.raises(ValueError, match=r'l\.tsv, line 5: \d cells'):
            rows(write(tmp_path / 'l.tsv', content))

    @pytest.mark.parametrize('suffix', ['tsv', 'csv', 'jsonl'])
    def test_a_byte_of_another_encoding_is_named(self, tmp_path, suffix):
        line = dict(
            tsv=b'1.jpg\tcaf\xe9\n', csv=b'1.jpg,caf\xe9\n',
            jsonl=b'{"image": "1", "text": "caf\xe9"}\n',
        )[suffix]  # fmt: skip
        good = dict(
            tsv='image\ttext\n0.jpg\tü\n', csv='image,text\n0.jpg,ü\n',
            jsonl='{"image": "1"}\n{"text": "ü"}\n',
        )[suffix].encode()  # fmt: skip
        path = write(tmp_path / f'l.{suffix}', good + line)
        with pytest.raises(
            ValueError, match=rf'l\.{suffix}, line 3: byte 0xe9 is not UTF-8'
        ):
            rows(path)


class TestCommas:
    def test_quotes_as_rfc_4180_says(self, tmp_path):
        rng = random.Random(0)
        texts = [
            ''.join(rng.choices('ab,"\n ü', k=rng.randrange(9)))
            for _ in range(300)
        ]
        path = tmp_path / 'l.csv'
        with path.open('w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(['image', 'text'])
            writer.writerows((f'{i}', text) for i, text in enumerate(texts))
        found = rows(path)
        assert [row['text'] or '' for row in found] == texts
        assert [row['image'] for row in found] == [str(i) for i in range(300)]
        table = read_table(str(path))
        order = rng.sample(range(300), 300)
        assert [table[i]['text'] or '' for i in order] == [
            texts[i] for i in order
        ]

    def test_a_quotation_mark_within_a_cell(self, tmp_path):
        path = write(tmp_path / 'l.csv', 'image,text\n0,a 5" pipe\n1,x "y"\n')
        assert [row['text'] for row in rows(path)] == ['a 5" pipe', 'x "y"']

    @pytest.mark.parametrize(
        'content',
        [
            'image,text\n0,a\n1,"open\n2,b\n3,c "d"\n',
            'image,text\n0,a\n1,"open\n2,b\n',
            'image,text\n0,a\n1,"b"c\n',
            'image,text\n0,a\n1,b,c\n',
            'image,text\n0,a\n1\n2,b\n',
            'image,text\n0,"a"\n1,' + '"' + 'x\n' * 100000,
            'image,text\n0,a\n1,b\rc\n',
        ],
    )
    def test_a_line_that_cannot_be_read_is_named(self, tmp_path, content):
        with pytest.raises(ValueError, match=r'l\.csv, line 3: '):
            rows(write(tmp_path / 'l.csv', content))

    def test_what_holds_nothing(self, tmp_path):
        content = 'image,text\n' + ''.join(
            f'{i}.jpg,{word}\n'
            for i, word in enumerate(
                ['', 'null', 'NULL', 'None', 'NaN', 'nan', '\\N', 'nothing']
            )
        )
        found = [
            row['text'] for row in rows(write(tmp_path / 'l.csv', content))
        ]
        assert found == [None] * 7 + ['nothing']

    @pytest.mark.parametrize('coding', ['utf-16', 'utf-16-le', 'utf-32'])
    def test_other_encodings_are_named(self, tmp_path, coding):
        path = write(tmp_path / 'l.csv', 'image,text\n0,a\n'.encode(coding))
        with pytest.raises(ValueError, match=r'l\.csv is not in UTF-8'):
            rows(path)

    def test_carriage_returns_alone(self, tmp_path):
        path = write(tmp_path / 'l.csv', 'image,text\r0,a\r1,b\r')
        with pytest.raises(ValueError, match='carriage returns alone'):
            rows(path)

    def test_columns_of_one_name(self, tmp_path):
        path = write(tmp_path / 'l.csv', 'image,text,text\n0,a,b\n')
        with pytest.raises(ValueError, match='columns of one name'):
            rows(path)

    def test_a_file_that_is_cut_later_is_a_fault(self, tmp_path):
        path = tmp_path / 'l.csv'
        write(path, 'image,text\n' + '1.jpg,word\n' * 100)
        table = read_table(str(path))
        write(path, 'image,text\n' + '1.jpg,word\n' * 40)
        assert table[0] == dict(image='1.jpg', text='word')
        with pytest.raises(SampleError, match=r'list fault in .*l\.csv\[90\]'):
            table[90]

    def test_tables_travel(self, tmp_path):
        path = tmp_path / 'l.csv'
        write(path, 'image,text\n' + ''.join(f'{i},t{i}\n' for i in range(99)))
        table = read_table(str(path))
        for other in (pickle.loads(pickle.dumps(table)), copy.deepcopy(table)):
            assert other[98] == table[98] == dict(image='98', text='t98')
            del other
        assert table[97]['text'] == 't97'
        with multiprocessing.get_context('fork').Pool(2) as pool:
            found = pool.map(table.__getitem__, range(99))
        assert [row['text'] for row in found] == [f't{i}' for i in range(99)]


class TestJson:
    ROWS = [
        dict(image='a', text='x', date='2020-01-01', tags=['p', 'q'], n=1.5),
        dict(image='b', text=None, more=dict(deep=[1])),
        dict(image='c', text=['one', None]),
    ]

    def test_values_keep_their_types(self, tmp_path):
        content = '\n'.join(map(json.dumps, self.ROWS))
        for name in ('l.jsonl', 'l.JSONL', 'l.json'):
            assert rows(write(tmp_path / name, content)) == self.ROWS

    def test_an_array(self, tmp_path):
        content = '\ufeff \n' + json.dumps(self.ROWS, indent=1)
        path = write(tmp_path / 'l.json', content)
        assert rows(path) == self.ROWS
        assert ImageTextListSource(path)[0]['fields']['text'] == 'x'
        with pytest.raises(ValueError, match=r'l\.json: entry 1 is a str'):
            rows(write(tmp_path / 'l.json', '[{}, "a"]'))
        with pytest.raises(
            ValueError, match=r'Cannot read the list .*l\.json'
        ):
            rows(write(tmp_path / 'l.json', '[{}, '))
        with pytest.raises(
            ValueError, match=r'Cannot read the list .*l\.json'
        ):
            rows(write(tmp_path / 'l.json', '[' * 100000))

    def test_one_bad_line_is_one_fault(self, tmp_path):
        lines = [json.dumps(row) for row in self.ROWS]
        lines[1] = '[' * 100000
        table = read_table(write(tmp_path / 'l.jsonl', '\n'.join(lines)))
        assert table[0] == self.ROWS[0]
        assert table[2] == self.ROWS[2]
        with pytest.raises(
            SampleError, match=r'list fault in .*l\.jsonl\[1\]'
        ):
            table[1]

    def test_no_list_at_all(self, tmp_path):
        for content in ('{\n "images": []\n}\n', '"text"\n', 'image,text\n'):
            with pytest.raises(ValueError, match=r'l\.json, line 1: no JSON'):
                rows(write(tmp_path / 'l.json', content))


class TestSamples:
    def fields(self, path, **options):
        return [
            sample['fields'] for sample in ImageTextListSource(path, **options)
        ]

    def test_texts_and_paths_as_they_are_written(self, tmp_path):
        content = 'image,text,day,code,n,x\n007,1984,2020-01-01,010,3,2.50\n'
        (sample,) = ImageTextListSource(write(tmp_path / 'l.csv', content))
        assert sample['img_path'] == str(tmp_path / '007')
        assert sample['fields'] == dict(
            text='1984', day='2020-01-01', code='010', n=3, x='2.50'
        )

    def test_labels(self, tmp_path):
        content = 'image,text,y\na,one,3\nb,two,cat\nc,three,\n'
        found = self.fields(write(tmp_path / 'l.csv', content), label='y')
        assert [fields['label'] for fields in found] == [3, 'cat', None]

    def test_several_captions_of_which_some_are_empty(self, tmp_path):
        content = 'image\ta\tb\tc\n1\tone\t\tNone\n2\t\t\t\n'
        path = write(tmp_path / 'l.tsv', content)
        found = self.fields(path, text=['a', 'b', 'c'])
        assert [fields['text'] for fields in found] == [['one'], []]
        lines = '{"image": "a", "text": ["x", null, "", 7]}\n{"image": "b"}'
        found = self.fields(write(tmp_path / 'l.jsonl', lines))
        assert [fields['text'] for fields in found] == [['x', '7'], '']

    @pytest.mark.parametrize('value', ['null', '""', 'NaN', '[]'])
    def test_no_path_is_a_fault(self, tmp_path, value):
        lines = f'{{"image": "a", "text": "x"}}\n{{"image": {value}}}'
        source = ImageTextListSource(write(tmp_path / 'l.jsonl', lines))
        with pytest.raises(SampleError, match="image fault in 1:.*'image'"):
            source[1]

    @pytest.mark.parametrize('path', ['../a.jpg', '/etc/passwd', 'b/../../a'])
    def test_nothing_outside_the_root_is_read(self, tmp_path, path):
        (tmp_path / 'in').mkdir()
        lines = json.dumps(dict(image=path, text='x'))
        listed = write(tmp_path / 'in/l.jsonl', lines)
        with pytest.raises(SampleError, match=r"lies outside .* root='/'"):
            ImageTextListSource(listed)[0]

    def test_paths_from_the_root_of_the_file_system(self, tmp_path):
        path = str(tmp_path / 'elsewhere/a.jpg')
        listed = write(
            tmp_path / 'l.jsonl', json.dumps(dict(image=path, text=''))
        )
        assert ImageTextListSource(listed)[0]['img_path'] == path
        found = ImageTextListSource(listed, root='/')[0]
        assert found['img_path'] == path


class TestParquet:
    def test_row_groups_are_chunks(self, tmp_path, monkeypatch):
        pyarrow = pytest.importorskip('pyarrow')
        parquet = pytest.importorskip('pyarrow.parquet')
        content = [dict(image=f'{i}', text=f't{i}') for i in range(25)]
        table = pyarrow.Table.from_pylist(content)
        path = str(tmp_path / 'l.parquet')
        parquet.write_table(table, path, row_group_size=10)
        small = ImageTextListSource(path)
        assert small.random_access
        assert small.chunk_sizes.tolist() == [25]
        monkeypatch.setattr(parquet_table, 'SMALL', 10)
        large = ImageTextListSource(path)
        assert not large.random_access
        assert large.chunk_sizes.tolist() == [10, 10, 5]
        for source in (small, large):
            assert [s['fields']['text'] for s in source] == [
                f't{i}' for i in range(25)
            ]
            assert source[23]['sample_key'] == '23:23'
        (tmp_path / 'l.parquet').write_bytes(b'PAR1' + b'x' * 50)
        with pytest.raises(ValueError, match=r'Cannot read .*l\.parquet'):
            ImageTextListSource(path)
        with pytest.raises(SampleError, match=r'list fault in .*\[2\]'):
            large.read_chunk(2)

    def test_pictures_themselves_in_a_column(self, tmp_path):
        pyarrow = pytest.importorskip('pyarrow')
        parquet = pytest.importorskip('pyarrow.parquet')
        jpeg = b'\xff\xd8\xff\xe0 a picture'
        columns = {
            # as Hugging Face writes them
            'of both': [
                dict(bytes=jpeg, path='a.jpg'),
                dict(bytes=None, path='b.jpg'),
                dict(bytes=jpeg, path=None),
                None,
            ],
            'of bytes': [jpeg, b'b.jpg', jpeg, None],
        }
        for kind, values in columns.items():
            path = str(tmp_path / f'{kind}.parquet')
            texts = list('abcd')
            table = pyarrow.table(dict(image=values, text=texts))
            parquet.write_table(table, path)
            source = ImageTextListSource(path)
            assert source[0]['img_bytes'] == source[2]['img_bytes'] == jpeg
            assert source[1]['img_path'] == str(tmp_path / 'b.jpg')
            with pytest.raises(SampleError, match='holds no path'):
                source[3]


@pytest.mark.parametrize('other', [';', '\t', '|'])
def test_another_delimiter_is_named(tmp_path, other):
    path = write(tmp_path / 'l.csv', f'image{other}text\na.jpg{other}a\n')
    with pytest.raises(ValueError, match='line 1: one column.*separated by'):
        read_table(path)
