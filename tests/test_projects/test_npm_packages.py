"""Pinned npm packages: checksums, members and what can go wrong."""

import base64
import hashlib
import io
import tarfile

import pytest

from projects.emoji.builder.npm import (
    NpmPackage,
    PackageError,
    read_member,
    read_members,
)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / 'scope-thing-1.2.0.tgz'
    with tarfile.open(path, 'w:gz') as package:
        for name, content in [('a/1.txt', b'one'), ('a/2.txt', b'two')]:
            member = tarfile.TarInfo(f'package/{name}')
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def package(archive):
    digest = hashlib.sha512(archive.read_bytes()).digest()
    integrity = 'sha512-' + base64.b64encode(digest).decode()
    return NpmPackage('@scope/thing', '1.2.0', integrity)


def test_locate_and_fetch_return_the_verified_file(package, archive):
    assert package.filename == archive.name
    assert package.locate(archive.parent) == archive
    assert package.fetch(archive.parent) == archive


def test_missing_package_names_the_command(package, tmp_path):
    with pytest.raises(PackageError, match=r'npm pack @scope/thing@1\.2\.0'):
        package.locate(tmp_path / 'nowhere')


def test_wrong_checksum_names_both(package, archive):
    archive.write_bytes(b'damaged')
    with pytest.raises(PackageError, match=r'sha512-.*expected sha512-'):
        package.fetch(archive.parent)


def test_missing_npm_names_the_alternative(package, tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(PackageError, match='Install Node.js.*--packages'):
        package.fetch(tmp_path / 'empty')


def test_failing_npm_is_quoted(package, tmp_path, monkeypatch):
    npm = tmp_path / 'npm'
    npm.write_text('#!/bin/sh\necho "E404 no such package" >&2\nexit 1\n')
    npm.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    with pytest.raises(PackageError, match='E404 no such package'):
        package.fetch(tmp_path / 'cache')


def test_read_members_below_a_folder(archive):
    members = dict(read_members(archive, 'a/'))
    assert members == {'a/1.txt': b'one', 'a/2.txt': b'two'}
    assert read_member(archive, 'a/2.txt') == b'two'
    with pytest.raises(PackageError, match='holds no a/3.txt'):
        read_member(archive, 'a/3.txt')
