"""The builder of the emoji data, on synthetic sources."""

import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import webdataset as wds
from PIL import Image

from m3i_mm.datasets.sources.shard_sizes import find_sizes
from projects.emoji.builder.build import build_emoji
from projects.emoji.builder.concepts import (
    build_concepts,
    family_of,
    heldout_families,
)
from projects.emoji.builder.pictures import (
    PictureSet,
    bitmap_pictures,
    decode_bitmap,
    iconify_pictures,
    join_key,
    render_svg,
    svg_pictures,
)
from projects.emoji.builder.texts import EmojiText, read_texts


def make_text(name, subgroup='tool', hexcode='1F528'):
    return EmojiText(hexcode, name, ('handy',), 'objects', subgroup)


def make_texts(count=20):
    return [
        make_text(f'thing {i}', f'subgroup-{i % 2}', f'1F{i:03X}')
        for i in range(count)
    ]


def write_package(path, files):
    with tarfile.open(path, 'w:gz') as package:
        for name, content in files.items():
            member = tarfile.TarInfo(f'package/{name}')
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    return path


def png(width, height, color):
    buffer = io.BytesIO()
    Image.new('RGBA', (width, height), color).save(buffer, 'PNG')
    return buffer.getvalue()


def make_vendor(texts, color):
    return PictureSet(
        {text.hexcode: png(20, 20, color) for text in texts}, decode_bitmap
    )


def test_read_texts_orders_and_excludes(tmp_path):
    def row(order, group, **fields):
        return {'order': order, 'group': group, 'subgroup': group} | fields

    rows = [
        row(7, 1, hexcode='B', label='wrench', tags=['tool', 'wrench']),
        row(3, 1, hexcode='A', label='hammer'),
        row(1, 2, hexcode='C', label='flag: Chad'),
        {'hexcode': 'D', 'label': 'regional indicator A'},
    ]
    names = {
        'groups': {'1': 'objects', '2': 'flags'},
        'subgroups': {'1': 'tool', '2': 'country-flag'},
    }
    package = write_package(
        tmp_path / 'texts.tgz',
        {
            'meta/groups.json': json.dumps(names).encode(),
            'en/data.json': json.dumps(rows).encode(),
        },
    )
    assert read_texts(package) == [
        EmojiText('A', 'hammer', (), 'objects', 'tool'),
        EmojiText('B', 'wrench', ('tool',), 'objects', 'tool'),
    ]


@pytest.mark.parametrize(
    ('name', 'subgroup', 'family'),
    [
        ('cook', 'person-role', 'cook'),
        ('man cook', 'person-role', 'cook'),
        ('woman cook', 'person-role', 'cook'),
        ('woman: red hair', 'person', 'person'),
        ('boy', 'person', 'person'),
        ('person walking: facing right', 'person-activity', 'walking'),
        ('Mrs. Claus', 'person-fantasy', 'claus'),
        ('Santa Claus', 'person-fantasy', 'claus'),
        ('woman\u2019s boot', 'clothing', 'boot'),
        ('prince', 'person-role', 'royal'),
        ('crown', 'clothing', 'crown'),
        ('snowman', 'sky-weather', 'snowman'),
        ('one o\u2019clock', 'time', 'time'),
        ('Leo', 'zodiac', 'zodiac'),
    ],
)
def test_family_of(name, subgroup, family):
    assert family_of(make_text(name, subgroup)) == family


def test_a_fifth_of_every_subgroup_is_held_out_in_whole_families():
    texts = make_texts(40)
    concepts = build_concepts(texts)
    for subgroup in ('subgroup-0', 'subgroup-1'):
        flags = [
            c.heldout_family for c in concepts if c.text.subgroup == subgroup
        ]
        assert sum(flags) == 4
    variants = [make_text(f'man {t.name}', t.subgroup) for t in texts]
    concepts = build_concepts(texts + variants)
    for concept, variant in zip(concepts[:40], concepts[40:], strict=True):
        assert concept.family == variant.family
        assert concept.heldout_family == variant.heldout_family


def test_one_family_of_each_subgroup_stays_in_training():
    assert heldout_families([make_text('hammer')]) == set()
    assert len(heldout_families([make_text('hammer'), make_text('saw')])) == 1
    clocks = [make_text(f'{hour} o\u2019clock', 'time') for hour in range(12)]
    assert heldout_families(clocks) == set()


def test_split_does_not_depend_on_the_order_of_a_subgroup():
    texts = make_texts()
    assert heldout_families(texts) == heldout_families(texts[::-1])


def test_ids_count_from_zero_in_order():
    concepts = build_concepts(make_texts(6))
    assert [c.concept for c in concepts] == list(range(6))
    assert [c.subgroup_id for c in concepts] == [0, 1] * 3
    assert {c.group_id for c in concepts} == {0}


def test_join_key_ignores_what_vendors_disagree_on():
    assert join_key('1F469-200D-2764-FE0F') == join_key('1f469-2764')


def test_decode_bitmap_keeps_the_aspect():
    picture = np.asarray(decode_bitmap(png(40, 20, (255, 0, 0, 255)), 16))
    assert picture.shape == (16, 16, 4)
    assert picture[8, 8].tolist() == [255, 0, 0, 255]
    assert not picture[:4, :, 3].any()
    assert not picture[12:, :, 3].any()


def test_vendor_formats_draw_the_same_picture(tmp_path):
    pytest.importorskip('resvg_py')
    body = '<rect x="0" y="0" width="8" height="16" fill="#00f"/>'
    document = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
        f'{body}</svg>'
    ).encode()
    icons = {'icons': {'half': {'body': body}}, 'width': 16, 'height': 16}
    iconify = write_package(
        tmp_path / 'iconify.tgz',
        {
            'icons.json': json.dumps(icons).encode(),
            'chars.json': json.dumps({'1f7e6': 'half'}).encode(),
        },
    )
    svg = write_package(tmp_path / 'svg.tgz', {'svg/1F7E6.svg': document})
    buffer = io.BytesIO()
    render_svg(document, 32).save(buffer, 'PNG')
    bitmap = write_package(
        tmp_path / 'bitmap.tgz', {'assets/1f7e6-fe0f.png': buffer.getvalue()}
    )
    for vendor in (
        iconify_pictures(iconify),
        svg_pictures(svg, 'svg/'),
        bitmap_pictures(bitmap, 'assets/'),
    ):
        assert '1F7E6' in vendor
        assert '1F7E7' not in vendor
        picture = np.asarray(vendor.draw('1F7E6', 32))
        assert picture[16, 4].tolist() == [0, 0, 255, 255]
        assert picture[16, 28, 3] == 0


def build(output, texts=None):
    texts = texts or make_texts()
    pictures = {
        'a': make_vendor(texts, (200, 0, 0, 255)),
        'b': make_vendor(texts[:-1], (0, 200, 0, 128)),
        'held': make_vendor(texts, (0, 0, 200, 0)),
    }
    return build_emoji(
        texts, pictures, 'held', {'texts': '1.0'}, output, 16, shards=(2, 1)
    )


def read_split(folder, split):
    urls = sorted(str(path) for path in folder.glob(f'{split}-*.tar.gz'))
    dataset = wds.WebDataset(urls, shardshuffle=False)
    return [
        (json.loads(s['json']), Image.open(io.BytesIO(s['webp'])))
        for s in dataset
    ]


def test_build_twice_gives_the_same_bytes(tmp_path):
    meta = build(tmp_path / 'one')
    assert build(tmp_path / 'two') == meta
    files = sorted(path.name for path in (tmp_path / 'one').iterdir())
    assert files == [
        'index.json',
        'meta.json',
        'train-000.tar.gz',
        'train-001.tar.gz',
        'val-000.tar.gz',
    ]
    for name in files:
        first, second = (tmp_path / run / name for run in ('one', 'two'))
        assert first.read_bytes() == second.read_bytes()


def test_build_splits_by_vendor_and_family(tmp_path):
    meta = build(tmp_path)
    train, val = (read_split(tmp_path, s) for s in ('train', 'val'))
    urls = sorted(str(path) for path in tmp_path.glob('*.tar.gz'))
    assert sum(find_sizes(urls[:2])) == len(train)
    index = json.loads((tmp_path / 'index.json').read_text())
    assert sum(entry['nsamples'] for entry in index['shardlist']) == 19 * 3
    # what one vendor lacks is left out for all
    assert len(meta['concepts']) == 19
    assert len(train) + len(val) == 19 * 3
    assert {json_['vendor'] for json_, _ in train} == {'a', 'b'}
    assert not any(json_['heldout_family'] for json_, _ in train)
    assert all(
        json_['heldout_family'] or json_['vendor'] == 'held'
        for json_, _ in val
    )
    assert {j['family'] for j, _ in train}.isdisjoint(meta['heldout_families'])
    for json_, picture in train + val:
        assert meta['concepts'][json_['concept']] == json_['name']
        assert meta['subgroups'][json_['subgroup_id']] == json_['subgroup']
        assert meta['groups'][json_['group_id']] == json_['group']
        assert picture.size == (16, 16)


def test_pictures_keep_their_alpha(tmp_path):
    build(tmp_path)
    alphas = {
        json_['vendor']: picture.convert('RGBA').getpixel((8, 8))[3]
        for json_, picture in read_split(tmp_path, 'val')
    }
    assert alphas == {'a': 255, 'b': 128, 'held': 0}


def test_build_names_what_is_wrong(tmp_path):
    texts = make_texts(4)
    vendor = make_vendor(texts, (0, 0, 0, 255))
    with pytest.raises(ValueError, match="'nobody' is none of"):
        build_emoji(texts, {'a': vendor}, 'nobody', {}, tmp_path)
    others = [replace(text, hexcode='0' + text.hexcode) for text in texts]
    with pytest.raises(ValueError, match='no emoji in common'):
        build_emoji(others, {'a': vendor}, 'a', {}, tmp_path)
