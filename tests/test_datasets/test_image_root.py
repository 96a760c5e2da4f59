"""Pictures taken from archives by path, as other tools leave archives."""

import io
import tarfile
import zipfile

import pytest
from toy.shards import picture

from m3i_mm.datasets import SampleError
from m3i_mm.datasets.sources.image_root import ImageRoot

JPEG = picture(0, '.jpg', channels=3)
OTHER = picture(1, '.jpg', channels=3)


def write_tar(path, members):
    with tarfile.open(path, 'w') as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_zip(path, members):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ('write', 'suffix'), [(write_tar, 'tar'), (write_zip, 'zip')]
)
@pytest.mark.parametrize('stored', ['./a/b.jpg', 'a/b.jpg', 'a\\b.jpg'])
@pytest.mark.parametrize('listed', ['./a/b.jpg', 'a/b.jpg', 'a//b.jpg'])
def test_all_spellings_of_a_path(tmp_path, write, suffix, stored, listed):
    path = tmp_path / f'images.{suffix}'
    write(path, {stored: JPEG, './c.jpg': OTHER})
    root = ImageRoot(str(path))
    assert root.locate(listed) == dict(img_bytes=JPEG)
    assert root.locate('c.jpg') == dict(img_bytes=OTHER)
    for outside in ('../a/b.jpg', '/a/b.jpg', 'a'):
        with pytest.raises(SampleError, match='not found'):
            root.locate(outside)


def test_the_last_of_equal_names_and_hard_links(tmp_path):
    with tarfile.open(tmp_path / 'a.tar', 'w') as archive:
        for name, content in [('a.jpg', JPEG), ('a.jpg', OTHER)]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in [('b.jpg', './a.jpg'), ('c.jpg', '/etc/hosts')]:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.LNKTYPE, target
            archive.addfile(link)
    root = ImageRoot(str(tmp_path / 'a.tar'))
    assert root.locate('b.jpg') == dict(img_bytes=OTHER)
    with pytest.raises(SampleError):
        root.locate('c.jpg')


def damage(content, kind):
    """Damage the first member of a zip."""
    content = bytearray(content)
    local, central = content.find(b'PK\3\4'), content.find(b'PK\1\2')
    if kind == 'encrypted':
        content[local + 6] |= 1
        content[central + 8] |= 1
    elif kind == 'of another method':
        content[local + 8] = content[central + 10] = 99
    elif kind == 'no longer named':
        content[local + 30] ^= 0xFF
    else:
        content[local + 35 : local + 60] = b'\7' * 25
    return bytes(content)


@pytest.mark.parametrize(
    'kind', ['damaged', 'encrypted', 'of another method', 'no longer named']
)
def test_one_bad_member_of_a_zip_is_one_fault(tmp_path, kind):
    path = tmp_path / 'z.zip'
    write_zip(path, {'a.jpg': JPEG, 'b.jpg': OTHER})
    path.write_bytes(damage(path.read_bytes(), kind))
    root = ImageRoot(str(path))
    assert root.locate('b.jpg') == dict(img_bytes=OTHER)
    with pytest.raises(
        SampleError, match=r'image fault in a\.jpg in .*z\.zip'
    ):
        root.locate('a.jpg')


def test_a_member_too_large_is_a_fault(tmp_path):
    write_zip(tmp_path / 'z.zip', {'a.jpg': b'\0' * 2000, 'b.jpg': JPEG})
    root = ImageRoot(str(tmp_path / 'z.zip'), max_bytes=1999)
    assert root.locate('b.jpg') == dict(img_bytes=JPEG)
    with pytest.raises(SampleError, match='2000 bytes, more than 1999'):
        root.locate('a.jpg')


def test_a_cut_tar_keeps_what_is_left(tmp_path):
    path = tmp_path / 'a.tar'
    write_tar(path, {f'{i}.jpg': JPEG for i in range(3)})
    size = 512 + -(-len(JPEG) // 512) * 512
    path.write_bytes(path.read_bytes()[: 2 * size + 700])
    root = ImageRoot(str(path))
    assert root.locate('1.jpg') == dict(img_bytes=JPEG)
    with pytest.raises(SampleError, match='of .* bytes are left'):
        root.locate('2.jpg')


@pytest.mark.parametrize('content', [b'', b'x' * 2000, b'PK\3\4' * 99])
def test_no_archive_at_all(tmp_path, content):
    (tmp_path / 'bad').write_bytes(content)
    with pytest.raises(ValueError, match=r'bad is no readable \.zip or unc'):
        ImageRoot(str(tmp_path / 'bad'))
