"""Where the samples of a tar archive lie.

The members of an archive are found once, by their headers, and then read by
offset: nothing but a few numbers for each of them is kept in memory.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from ..faults import SampleError
from ..images import IMAGE_SUFFIXES
from .tar_members import Member, TarMembers, is_meta

__all__ = ['TarIndex', 'is_picture']


def is_picture(suffix: str) -> bool:
    """Whether files with a suffix, without its dot, are pictures."""
    return f'.{suffix}'.endswith(IMAGE_SUFFIXES)


class _File(NamedTuple):
    suffix: str
    offset: int
    size: int
    run: int  # how many other keys lie in front of it


class TarIndex:
    """The samples of an uncompressed tar archive.

    Files of one folder and one stem are a sample: ``a/1.jpg``, ``a/1.txt``.
    They need not lie side by side. What the name holds after a further dot
    belongs to the sample before it (``1.jpg``, ``1.mask.png``), unless the
    dot is part of the key: both have a picture, and the second a number for a
    name or files of its own (``1.5.jpg``, ``1.5.txt``); or there are no files
    of the shorter name at all. Names that begin with a dot, names without a
    suffix, and links that lead out of the archive are no files of a sample.

    A damaged header costs the files behind it up to the next good one.

    Args:
        file (BinaryIO): The archive; it is read from its start.

    Attributes:
        damage (str, optional): What is wrong with the archive, if anything.
    """

    def __init__(self, file: BinaryIO) -> None:
        members = TarMembers(file)
        groups = _find_groups(members)
        self.damage = members.damage
        self._problems: dict[int, tuple[str, str]] = {}
        keys: list[str] = []
        counts: list[int] = []
        rows: list[tuple[int, int, int]] = []
        suffixes: dict[str, int] = {}
        for name, files in groups.items():
            for key, parts in _split(name, files):
                found = {part.suffix: part for part in parts}
                if len(found) < len(parts):
                    self._problems[len(keys)] = _name_repeated(parts)
                for part in parts:
                    if part.offset in members.suspects:
                        self._problems[len(keys)] = (
                            'missing',
                            f'a part of it: {members.suspects[part.offset]}',
                        )
                keys.append(key)
                counts.append(len(found))
                for suffix, offset, size, _ in found.values():
                    number = suffixes.setdefault(suffix, len(suffixes))
                    rows.append((number, offset, size))
        self._suffixes = list(suffixes)
        self._rows = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self._starts = np.cumsum([0, *counts])
        encoded = [key.encode(errors='surrogateescape') for key in keys]
        self._keys = b''.join(encoded)
        self._key_starts = np.cumsum([0, *map(len, encoded)])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def key(self, number: int) -> str:
        """Return the folder and stem of a sample."""
        first, last = self._key_starts[number : number + 2]
        return self._keys[first:last].decode(errors='surrogateescape')

    def files(self, number: int) -> dict[str, tuple[int, int]]:
        """Return offset and size of the files of a sample, by suffix.

        Raises:
            SampleError: If one occurs twice (``'duplicate'``), or the archive
                breaks off or is damaged here (``'missing'``).
        """
        if number in self._problems:
            kind, reason = self._problems[number]
            raise SampleError(kind, self.key(number), reason)
        first, last = self._starts[number : number + 2]
        return {
            self._suffixes[suffix]: (offset, size)
            for suffix, offset, size in self._rows[first:last].tolist()
        }


def _find_groups(members: Iterable[Member]) -> dict[str, list[_File]]:
    """Return files by folder and name up to the first dot."""
    groups: dict[str, list[_File]] = {}
    current, run = '', 0
    for member in members:
        folder, base = posixpath.split(member.name)
        stem, _, suffix = base.partition('.')
        if not suffix or is_meta(member.name):
            continue
        group = posixpath.join(folder, stem)
        run += group != current
        current = group
        groups.setdefault(group, []).append(
            _File(suffix.lower(), member.offset, member.size, run)
        )
    return groups


def _split(name: str, files: list[_File]) -> Iterator[tuple[str, list[_File]]]:
    """Split files that share a name up to its first dot into samples."""
    for group in _separate_repeats(files):
        stems: dict[str, list[_File]] = {}
        for file in group:
            stem, _, suffix = file.suffix.rpartition('.')
            stems.setdefault(stem, []).append(file._replace(suffix=suffix))
        samples: dict[str, list[_File]] = {}
        for stem in sorted(stems, key=lambda stem: (len(stem), stem)):
            owner = next(
                (s for s in reversed(samples) if _within(stem, s)), None
            )
            if owner is None or _is_own(stem, stems, owner):
                samples[stem] = list(stems[stem])
                continue
            rest = stem[len(owner) :].lstrip('.')
            samples[owner] += [
                file._replace(suffix=f'{rest}.{file.suffix}')
                for file in stems[stem]
            ]
        for stem in sorted(samples, key=lambda stem: samples[stem][0].offset):
            yield f'{name}.{stem}' if stem else name, samples[stem]


def _separate_repeats(files: list[_File]) -> list[list[_File]]:
    """Tell a key that comes again later from files stored in any order."""
    runs: dict[int, list[_File]] = {}
    for file in files:
        runs.setdefault(file.run, []).append(file)
    seen: set[str] = set()
    for run in runs.values():
        suffixes = {file.suffix for file in run}
        if seen & suffixes:
            return list(runs.values())
        seen |= suffixes
    return [files]


def _within(stem: str, owner: str) -> bool:
    return not owner or stem.startswith(owner + '.')


def _is_own(stem: str, stems: dict[str, list[_File]], owner: str) -> bool:
    """Whether a longer name is a key of its own."""
    pictures = [is_picture(file.suffix) for file in stems[stem]]
    if not any(pictures) or not any(
        is_picture(file.suffix) for file in stems[owner]
    ):
        return False
    number = stem[len(owner) :].lstrip('.').isdigit()
    return number or not all(pictures)


def _name_repeated(files: list[_File]) -> tuple[str, str]:
    suffixes = [file.suffix for file in files]
    repeated = sorted({s for s in suffixes if suffixes.count(s) > 1})
    names = ', '.join(f'.{suffix}' for suffix in repeated)
    return 'duplicate', f'{names} occurs more than once in the archive'
