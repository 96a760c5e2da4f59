"""From any source to shards, and back to files."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import webdataset as wds
from tqdm.auto import tqdm

from m3i_mm.checkpoints.writing import replacing

from ..faults import DataError, SampleError, as_fault
from ..images import decode, read_header, read_image_file
from ..order import SampleOrder
from ..source_dataset import SourceDataset
from ..sources import Source
from ..texts import written
from ..transforms.labels import whole_number
from .fields import to_plain
from .parallel import map_processes
from .shards import sha256, shard_index, to_json

__all__ = ['pack_shards', 'unpack_shards']


def pack_shards(
    source: Source,
    out: Path,
    samples_per_shard: int = 10000,
    seed: int | None = 0,
    num_workers: int = 1,
    max_shards: int | None = None,
) -> dict[str, Any]:
    """Write the samples of a source to shards.

    A shard is written under another name and renamed when it is complete,
    with a record of its content beside it; a second call with the same
    arguments goes on where the first one ended. Samples that cannot be
    decoded are left out and listed.

    Args:
        source (Source): The samples.
        out (Path): The folder to write ``00000.tar`` ... and ``index.json``
            to. The latter has the form that WebDataset's ``widsindex``
            writes, with checksums and what was left out.
        samples_per_shard (int): Defaults to 10000.
        seed (int, optional): The samples are shuffled with it, so that a
            shard is a random part of the whole; None keeps their order.
        num_workers (int): Shards that are written at a time.
        max_shards (int, optional): Stop after so many shards.

    Returns:
        dict: The content of ``index.json``.

    Raises:
        DataError: If the folder holds shards made with other arguments or of
            another list, if another process writes to it, or if a field has a
            type that JSON has not.
    """
    if samples_per_shard < 1:
        raise DataError(f'{samples_per_shard} samples in a shard are too few')
    _check_fields(source)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        _check_settings(
            out,
            dict(
                source=source.name,
                samples=len(source),
                samples_per_shard=samples_per_shard,
                seed=seed,
                fingerprint=source.fingerprint(),
            ),
        )
        numbers = range(-(-len(source) // samples_per_shard))[:max_shards]
        pack = _Packer(source, out, samples_per_shard, seed)
        records = map_processes(pack, numbers, num_workers, 'Packing')
        index = shard_index(records)
        index['left_out'] = [
            sample for record in records for sample in record['left_out']
        ]
        _write_json(out / 'index.json', index)
    return index


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a folder for this process.

    Args:
        folder (Path): The folder; a file ``.lock`` is left in it.

    Raises:
        DataError: If another process writes to it.
    """
    with (folder / '.lock').open('w') as file:
        try:
            # given back by the system, however this process ends
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                f'Another process writes to {folder}: wait for it, or use '
                'another folder'
            ) from error
        yield


def _check_fields(source: Source) -> None:
    """Say what cannot be packed before hours of work, not after."""
    reader = SourceDataset(source, pipeline=[])
    for index in range(min(100, len(source))):
        try:
            sample = reader.load_raw(index)
        except SampleError:
            continue
        for name, value in sample['fields'].items():
            try:
                to_plain(value)
            except (TypeError, ValueError) as error:
                raise DataError(
                    f'The field {name!r} of {sample["sample_key"]} in '
                    f'{source.name} cannot be packed: {error}. Leave it out '
                    'of the list'
                ) from error
        return


def _check_settings(out: Path, settings: dict[str, Any]) -> None:
    path = out / 'settings.json'
    if path.exists():
        before = _read_json(path)
        if before != settings:
            raise DataError(
                f'{out} holds shards made with other settings or of another '
                f'list: {before}, not {settings}. Use another folder or empty '
                'this one'
            )
    _write_json(path, settings)


class _Packer:
    """Writes shard after shard of a source.

    Args:
        source (Source): The samples.
        out (Path): The folder to write to.
        size (int): The samples in a shard.
        seed (int, optional): The seed of the order.
    """

    def __init__(
        self, source: Source, out: Path, size: int, seed: int | None
    ) -> None:
        self.out = out
        self.size = size
        self.length = len(source)
        self.reader = SourceDataset(source, pipeline=[])
        self.order = SampleOrder(
            source.chunk_sizes,
            (seed or 0,),
            self.reader.window,
            shuffle=seed is not None,
        )

    def __call__(self, number: int) -> dict[str, Any]:
        """Write a shard unless it is there; return its record."""
        path = self.out / f'{number:05d}.tar'
        record_path = self.out / f'{number:05d}.json'
        if path.exists() and record_path.exists():
            return _read_json(record_path)
        left_out: list[dict[str, str]] = []
        count = 0
        with (
            replacing(path) as partial_path,
            open(partial_path, 'wb') as file,
            wds.TarWriter(
                file, user='', group='', mtime=0, encoder=False
            ) as writer,
        ):
            for sample in self._samples(number, left_out):
                writer.write(sample)
                count += 1
        record = dict(
            url=path.name,
            nsamples=count,
            sha256=sha256(path),
            filesize=path.stat().st_size,
            left_out=left_out,
        )
        _write_json(record_path, record)
        return record

    def _samples(
        self, number: int, left_out: list[dict[str, str]]
    ) -> Iterator[dict[str, Any]]:
        """Yield the files of the samples; list those that are broken."""
        begin = number * self.size
        for position in range(begin, min(begin + self.size, self.length)):
            try:
                sample = self.reader.read(*self.order[position])
                files = _encode(sample)
            except SampleError as fault:
                left_out.append(
                    dict(kind=fault.kind, key=fault.key, reason=fault.reason)
                )
            else:
                yield {'__key__': f'{position:09d}', **files}


def _encode(sample: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of a sample by suffix."""
    content = image_content(sample)
    with as_fault('fields', sample['sample_key']):
        fields = to_plain(sample['fields'])
        text = written(fields.get('text'))
    suffix = read_header(content, sample['sample_key']).suffix
    files = {suffix[1:]: content}
    # texts and labels in the form of other readers, too
    if isinstance(text, str) and 'text' in fields:
        files['txt'] = text.encode()
    with suppress(TypeError, ValueError, OverflowError):
        files['cls'] = str(whole_number(fields.get('label'))).encode()
    files['json'] = to_json({'key': sample['sample_key'], **fields})
    return files


def image_content(sample: dict[str, Any]) -> bytes:
    """Return the encoded picture of a sample after decoding it once.

    Raises:
        SampleError: If there is none or it cannot be decoded.
    """
    key = sample['sample_key']
    content = sample.get('img_bytes')
    if content is None:
        if 'img_path' not in sample:
            raise SampleError('image', key, 'the sample has no picture')
        content = read_image_file(sample['img_path'], key)
    decode(content, key)
    return content


def unpack_shards(source: Source, out: Path) -> int:
    """Write the samples of a source as pictures and one list.

    Args:
        source (Source): The samples.
        out (Path): The folder to write ``images/`` and ``samples.jsonl`` to:
            the path of the picture, ``image``, and all fields.

    Returns:
        int: The number of samples; broken ones are left out.
    """
    (out / 'images').mkdir(parents=True, exist_ok=True)
    reader = SourceDataset(source, pipeline=[])
    count = 0
    with (out / 'samples.jsonl').open('w', encoding='utf-8') as file:
        for position in tqdm(range(len(source)), 'Unpacking', disable=None):
            try:
                sample = reader.load_raw(position)
                content = image_content(sample)
                suffix = read_header(content, sample['sample_key']).suffix
                with as_fault('fields', sample['sample_key']):
                    fields = to_plain(sample['fields'])
            except SampleError as fault:
                print(f'left out: {fault}')
                continue
            name = f'images/{position:09d}{suffix}'
            (out / name).write_bytes(content)
            row = dict(fields, image=name)
            file.write(json.dumps(row, ensure_ascii=False) + '\n')
            count += 1
    return count


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise DataError(
            f'{path} is no JSON: {error}. Remove it with the shard of its name'
        ) from error


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as partial_path:
        Path(partial_path).write_text(json.dumps(content, indent=1))
