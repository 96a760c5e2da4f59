"""The files of a tar archive, as far as it can be read."""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

__all__ = ['Member', 'TarMembers', 'is_meta']

BLOCK = tarfile.BLOCKSIZE
# files that describe an archive or a folder, of WebDataset and of macOS
META = re.compile(r'__[^/]*__($|/)|__MACOSX/|(.*/)?\.')


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name (str): Its path, without ``./``, ``../`` or ``/`` in front.
        offset (int): Where its content begins, in bytes.
        size (int): The size of its content in bytes.
    """

    name: str
    offset: int
    size: int


def is_meta(name: str) -> bool:
    """Whether a member describes the others or is hidden."""
    return META.match(name) is not None


class TarMembers:
    """Iterates once over the files of an uncompressed archive.

    A hard link is the file that it links to; other links, and what is no
    file, are passed over. A damaged header costs the files behind it up to
    the next good one; archives written one behind the other are one.

    Args:
        file (BinaryIO): The archive; it is read from its start.

    Attributes:
        damage (str, optional): What is wrong with the archive, once it was
            iterated over.
        suspects (dict[int, str]): What is wrong beside the files of these
            offsets: others that belong to them may be lost.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.damage: str | None = None
        self.suspects: dict[int, str] = {}

    def __iter__(self) -> Iterator[Member]:
        places: dict[str, tuple[int, int]] = {}
        for member in self._infos():
            name = _inside(member.name)
            place = member.offset_data, member.size
            if member.islnk():
                # it comes after what it links to
                target = _inside(member.linkname)
                if target not in places:
                    continue
                place = places[target]
            elif not member.isreg():
                continue
            places[name] = place
            yield Member(name, *place)

    def _infos(self) -> Iterator[tarfile.TarInfo]:
        """Yield the headers; note what is wrong between and behind them."""
        file, size = self.file, self.file.seek(0, 2)
        end, last = 0, -1
        for member in _headers(file, size):
            if member.offset > end and not _is_zero(file, end, member.offset):
                self._note(
                    f'the archive is damaged between bytes {end} and '
                    f'{member.offset}',
                    last,
                    member.offset_data,
                )
            end, last = _end(member), member.offset_data
            yield member
        if end >= size:
            self._note(f'the archive breaks off after {size} bytes', last)
        elif not _is_zero(file, end, size):
            self._note(f'the archive is damaged behind byte {end}', last)

    def _note(self, damage: str, *neighbours: int) -> None:
        self.damage = self.damage or damage
        self.suspects.update(dict.fromkeys(neighbours, damage))


def _headers(file: BinaryIO, size: int) -> Iterator[tarfile.TarInfo]:
    """Yield all members whose header is good, in order."""
    position = 0
    while position < size:
        file.seek(position)
        try:
            archive: Any = tarfile.open(  # noqa: SIM115
                fileobj=file, mode='r:', ignore_zeros=True
            )
            while member := archive.next():
                archive.members = []  # it keeps all that it has seen
                end = _end(member)
                if end <= position:
                    return  # a size below zero
                position = end
                yield member
        except (tarfile.TarError, ValueError, OverflowError, EOFError):
            position += BLOCK
        else:
            return


def _end(member: tarfile.TarInfo) -> int:
    """Return where the next header is."""
    return member.offset_data + -(-member.size // BLOCK) * BLOCK


def _inside(path: str) -> str:
    """Return a path that does not lead out of the archive, as tar does."""
    path = posixpath.normpath(path).lstrip('/')
    while path.startswith('../'):
        path = path[3:]
    return path


def _is_zero(file: BinaryIO, begin: int, end: int) -> bool:
    """Whether a gap holds nothing, as behind the end of an archive."""
    file.seek(begin)
    while begin < end:
        content = file.read(min(end - begin, 2**20))
        if not content or content.count(0) < len(content):
            return False
        begin += len(content)
    return True
