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
from .shards import parse_sample

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
        files: Sample = {'__key__': sample['sample_key']}
        for suffix in ('txt', 'json', 'cls'):
            try:
                with open(f'{stem}.{suffix}', 'rb') as file:
                    files[suffix] = file.read()
            except FileNotFoundError:
                continue
            except OSError as error:
                key = sample['sample_key']
                raise SampleError(suffix, key, str(error)) from error
        return {**sample, **parse_sample(files)}
