"""What lies at a path, as people have it."""

import tarfile

import pytest
from PIL import Image

from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.survey import survey

pytestmark = pytest.mark.openmmlab


def write_pictures(folder, count=3):
    folder.mkdir(parents=True)
    for number in range(count):
        picture = Image.new('RGB', (12, 10), (80 * number, 0, 0))
        picture.save(folder / f'{number}.png')
    return folder


@pytest.mark.parametrize('name', ['a{1}', 'my.tar.photos', 'a[1]', 'list.csv'])
def test_a_folder_is_a_folder_whatever_its_name(tmp_path, name):
    folder = write_pictures(tmp_path / name)
    assert survey(str(folder)).source['type'] == 'm3i_mm.ImageFolderSource'


def test_a_list_in_capitals(tmp_path):
    write_pictures(tmp_path / 'photos')
    path = tmp_path / 'photos/LIST.CSV'
    path.write_text('image,text\n0.png,red\n1.png,black\n')
    assert survey(str(path)).texts == 2
    assert survey(str(tmp_path / 'photos')).texts == 2


def test_one_picture_is_no_data_set(tmp_path):
    folder = write_pictures(tmp_path / 'photos')
    with pytest.raises(ConfigError, match='is one picture: give the folder'):
        survey(str(folder / '0.png'))
    with pytest.raises(ConfigError, match='name of the pictures is empty'):
        survey('')


def test_a_list_of_paths_from_the_root(tmp_path):
    write_pictures(tmp_path / 'photos')
    rows = [f'{tmp_path}/photos/{n}.png' for n in range(2)]
    path = tmp_path / 'list.csv'
    path.write_text('\n'.join(['image', *rows]))
    found = survey(str(path))
    assert (found.count, found.broken) == (2, [])


def test_it_says_why_no_picture_can_be_read(tmp_path):
    path = tmp_path / 'list.csv'
    path.write_text('image\n../0.png\n')
    with pytest.raises(ConfigError, match='the first: .*lies outside of'):
        survey(str(path))
    path.write_text('')
    with pytest.raises(ConfigError, match=r'list\.csv is empty$'):
        survey(str(path))


@pytest.mark.parametrize('name', ['a.zip', 'a.txt'])
def test_a_file_of_another_kind_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b'PK')
    with pytest.raises(ConfigError, match=f'{name} is neither a folder nor'):
        survey(str(tmp_path / name))


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('info.json', '{"camera": 1}'),
        ('exif.csv', 'camera,iso\nx,100\n'),
        ('notes.tsv', 'one\ttwo\tthree\n'),
        ('broken.csv', 'a,b\n1\n'),
    ],
)
def test_files_beside_pictures_are_left_out_and_named(tmp_path, name, content):
    folder = write_pictures(tmp_path / 'photos')
    (folder / name).write_text(content)
    found = survey(str(folder))
    assert found.count == 3
    assert found.remarks == [f'beside the pictures, left out: {name}']


def test_an_archive_beside_pictures_is_left_out(tmp_path):
    write_pictures(tmp_path / 'photos/cat')
    write_pictures(tmp_path / 'photos/dog')
    tarfile.open(tmp_path / 'photos/backup.tar', 'w').close()
    found = survey(str(tmp_path / 'photos'))
    assert found.classes == ['cat', 'dog']
    assert 'left out: backup.tar' in str(found)


def test_halves_are_no_classes(tmp_path):
    for place in ('train/cat', 'train/dog', 'val/cat'):
        write_pictures(tmp_path / 'set' / place)
    found = survey(str(tmp_path / 'set'))
    assert (found.count, found.classes) == (6, ['cat', 'dog'])
    assert 'train/ is used, and for evaluation left out: val' in str(found)
    # a class may be called like a half
    write_pictures(tmp_path / 'set/bus')
    found = survey(str(tmp_path / 'set'))
    assert found.classes == ['bus', 'train', 'val']


def test_pictures_beside_folders_of_classes_are_said(tmp_path):
    for kind in ('cat', 'dog'):
        write_pictures(tmp_path / 'photos' / kind)
    Image.new('RGB', (9, 9)).save(tmp_path / 'photos/stray.png')
    found = survey(str(tmp_path / 'photos'))
    assert not found.classes
    assert 'which therefore are no classes' in str(found)


@pytest.mark.parametrize(
    ('labels', 'classes'),
    [
        ((0, 2), ['0', '1', '2']),
        ((5_000_000_000, 7), ['5000000000', '7']),
        ((0, -1), []),
    ],
)
def test_numbers_as_labels(tmp_path, labels, classes):
    write_pictures(tmp_path / 'photos')
    rows = [f'photos/{n}.png,{label}' for n, label in enumerate(labels)]
    path = tmp_path / 'list.csv'
    path.write_text('\n'.join(['image,label', *rows]))
    assert survey(str(path)).classes == classes
