"""What the files of a sample say: its picture, label, text and fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..faults import SampleError, as_fault
from .tar_index import is_picture

__all__ = ['FIELD_SUFFIXES', 'choose_files', 'parse_fields']

# a later one overwrites what an earlier one says
FIELD_SUFFIXES = ('json', 'txt', 'cls')


def choose_files(
    key: str, suffixes: Iterable[str], image: str | None = None
) -> dict[str, str]:
    """Choose the files of a sample that are read.

    Of several files of one kind it is the one without a further dot in its
    suffix: ``.jpg`` before ``.mask.png``, ``.txt`` before ``.en.txt``.

    Args:
        key (str): The sample, for the message.
        suffixes (Iterable[str]): What there is, in lower case.
        image (str, optional): The picture's suffix where there are several.

    Returns:
        dict[str, str]: The suffix by kind: ``'image'`` and those of
        :data:`FIELD_SUFFIXES` that there are.

    Raises:
        SampleError: If there is no picture, or it cannot be told which one is
            meant.
    """
    kinds: dict[str, list[str]] = {}
    for suffix in suffixes:
        kind = suffix.rpartition('.')[2]
        kind = 'image' if is_picture(suffix) else kind
        kinds.setdefault(kind, []).append(suffix)
    pictures = kinds.get('image', [])
    if image in pictures:
        kinds['image'] = [str(image)]
    chosen = {
        kind: found
        for kind in ('image', *FIELD_SUFFIXES)
        if (found := _plainest(kinds.get(kind, [])))
    }
    if 'image' not in chosen:
        if pictures:
            reason = (
                f'it has several pictures, .{", .".join(pictures)}: choose '
                f"by the source's image={pictures[0]!r}"
            )
        else:
            others = ', '.join(f'.{suffix}' for suffix in suffixes)
            reason = f'there is no picture among its files: {others}'
        raise SampleError('image', key, reason)
    return chosen


def _plainest(suffixes: list[str]) -> str | None:
    plain = [suffix for suffix in suffixes if '.' not in suffix] or suffixes
    return plain[0] if len(plain) == 1 else None


def parse_fields(key: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Read the fields of a sample.

    Args:
        key (str): The sample, for the message.
        files (Mapping[str, bytes]): Contents by kind: ``'json'`` (an object
            whose entries are fields), ``'txt'`` (the field ``text``, UTF-8),
            ``'cls'`` (the integer field ``label``).

    Returns:
        dict[str, Any]: The fields.

    Raises:
        SampleError: If one of them is broken; its kind is the fault's.
    """
    fields: dict[str, Any] = {}
    for kind in FIELD_SUFFIXES:
        if kind in files:
            with as_fault(kind, key):
                fields.update(_parse(kind, files[kind]))
    return fields


def _parse(kind: str, content: bytes) -> dict[str, Any]:
    if kind == 'json':
        fields = json.loads(content)
        if not isinstance(fields, dict):
            raise ValueError(f'expected an object, got {type(fields)}')
        return fields
    text = content.decode('utf-8-sig')
    if kind == 'txt':
        return {'text': text}
    if not re.fullmatch(r'\s*[+-]?[0-9]{1,18}\s*', text):
        raise ValueError(f'expected the number of a class, got {text[:40]!r}')
    return {'label': int(text)}
