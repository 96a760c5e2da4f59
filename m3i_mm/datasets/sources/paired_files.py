"""Pictures with texts and fields in files beside them, as img2dataset writes.

``output_format='files'`` of img2dataset leaves ``00000/000000012.jpg`` with a
``.txt`` and a ``.json`` of the same stem.
"""

from __future__ import annotations

import os.path as osp

from m3i_mm.registry import DATASETS

from ..faults import SampleError
from .base import Sample
from .folder import ImageFolderSource
from .sample_files import FIELD_SUFFIXES, parse_fields

__all__ = ['PairedFilesSource']


@DATASETS.register_module()
class PairedFilesSource(ImageFolderSource):
    """All pictures below a folder with the files of the same stem.

    Args:
        root (str): The folder.
        name (str, optional): How logs and reports call the source.
    """

    def __init__(self, root: str, name: str | None = None) -> None:
        super().__init__(root, labels=False, name=name)

    def __getitem__(self, index: int, /) -> Sample:
        sample = super().__getitem__(index)
        stem = osp.splitext(sample['img_path'])[0]
        files: dict[str, bytes] = {}
        for suffix in FIELD_SUFFIXES:
            try:
                with open(f'{stem}.{suffix}', 'rb') as file:
                    files[suffix] = file.read()
            except FileNotFoundError:
                continue
            except OSError as error:
                key = sample['sample_key']
                raise SampleError(suffix, key, str(error)) from error
        return {**sample, 'fields': parse_fields(sample['sample_key'], files)}
