"""Pinned npm packages as sources of data: fetch, verify, read."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class PackageError(RuntimeError):
    """A source package is missing, damaged or cannot be fetched."""


@dataclass(frozen=True)
class NpmPackage:
    """One published version of an npm package.

    Args:
        name (str): Name in the registry, e.g. ``'@iconify-json/noto'``.
        version (str): Exact version.
        integrity (str): Checksum in npm's notation,
            ``'sha512-' + base64(digest)``.
    """

    name: str
    version: str
    integrity: str

    @property
    def filename(self) -> str:
        """Name of the file that ``npm pack`` writes."""
        stem = self.name.removeprefix('@').replace('/', '-')
        return f'{stem}-{self.version}.tgz'

    def verify(self, path: Path) -> None:
        """Compare a file with the pinned checksum.

        Args:
            path (Path): The package file.

        Raises:
            PackageError: If the checksum differs.
        """
        digest = hashlib.sha512(path.read_bytes()).digest()
        found = 'sha512-' + base64.b64encode(digest).decode()
        if found != self.integrity:
            raise PackageError(
                f'{path} is not {self.name}@{self.version}: its checksum is '
                f'{found}, expected {self.integrity}. Delete the file and '
                'fetch it again.'
            )

    def locate(self, folder: Path) -> Path:
        """Find and verify the package file in a folder.

        Args:
            folder (Path): Folder of ``.tgz`` files from ``npm pack``.

        Returns:
            Path: The verified file.

        Raises:
            PackageError: If the file is missing or its checksum differs.
        """
        path = folder / self.filename
        if not path.is_file():
            raise PackageError(
                f'{self.filename} is missing in {folder}. Fetch it with '
                f'`npm pack {self.name}@{self.version}`.'
            )
        self.verify(path)
        return path

    def fetch(self, cache: Path) -> Path:
        """Return the verified package file, downloading it if needed.

        Args:
            cache (Path): Folder that keeps downloaded packages.

        Returns:
            Path: The verified file.

        Raises:
            PackageError: If npm is not installed or cannot fetch the
                package, or if the checksum differs.
        """
        path = cache / self.filename
        if not path.is_file():
            self._download(cache)
        return self.locate(cache)

    def _download(self, cache: Path) -> None:
        if shutil.which('npm') is None:
            raise PackageError(
                f'npm is needed to fetch {self.name}@{self.version}. Install '
                'Node.js, or name a folder that holds the packages with '
                '`--packages`.'
            )
        cache.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(
            ['npm', 'pack', '--silent', f'{self.name}@{self.version}'],
            cwd=cache,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise PackageError(
                f'npm cannot fetch {self.name}@{self.version}: '
                f'{result.stderr.strip()}'
            )


def read_members(archive: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Read the files of a package below a path.

    Args:
        archive (Path): A ``.tgz`` from ``npm pack``.
        prefix (str): Path inside the package, e.g. ``'assets/'`` for a
            folder or ``'icons.json'`` for one file.

    Yields:
        tuple[str, bytes]: Path inside the package and content, in the order
        of the archive.
    """
    with tarfile.open(archive, 'r:gz') as package:
        for member in package:
            # npm puts every file below one top folder
            path = member.name.partition('/')[2]
            if member.isfile() and path.startswith(prefix):
                stream = package.extractfile(member)
                assert stream is not None  # a regular file has content
                yield path, stream.read()


def read_member(archive: Path, path: str) -> bytes:
    """Read one file of a package.

    Args:
        archive (Path): A ``.tgz`` from ``npm pack``.
        path (str): Path inside the package.

    Returns:
        bytes: Its content.

    Raises:
        PackageError: If the package holds no such file.
    """
    for name, content in read_members(archive, path):
        if name == path:
            return content
    raise PackageError(f'{archive} holds no {path}')
