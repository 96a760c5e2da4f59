"""Say what is wrong with a data set or its annotation file.

The messages of our own sources are passed on.

The data sets of MMDetection and MMSegmentation read their annotations when
they are built. A missing, foreign or empty file ends in an exception from
within (``KeyError: 'images'``, ``need at least one array to concatenate``)
that does not name the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType

from mmengine.dataset import BaseDataset

from m3i_mm.datasets import DataError
from m3i_mm.datasets.sources import Source

__all__ = ['explain_dataset_error']


def _frames(error: BaseException) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def explain_dataset_error(error: BaseException) -> str | None:
    """Describe an exception that a data set raised while it was built.

    Args:
        error (BaseException): The exception.

    Returns:
        str | None: One line that names the data set and its file; None if the
        exception does not come from reading annotations or opening a source.
    """
    if isinstance(error, DataError):
        return str(error)
    for frame in _frames(error):
        dataset = frame.f_locals.get('self')
        if isinstance(dataset, Source) and frame.f_code.co_name == '__init__':
            # str() of a KeyError puts its message in quotation marks
            message = error.args[0] if len(error.args) == 1 else error
            return f'{type(dataset).__name__}: {message}'
        # the pipeline is built before the annotations are read
        if not isinstance(dataset, BaseDataset) or (
            'ann_file' not in vars(dataset)
        ):
            continue
        place = f'{type(dataset).__name__}, ann_file={dataset.ann_file!r}'
        if frame.f_code.co_name == '_serialize_data' and not dataset.data_list:
            prefix = dict(dataset.data_prefix)
            return (
                f'{place}: the data set is empty. The file and the folders '
                f'{prefix} hold no image, or none with an object of its '
                'classes'
            )
        if frame.f_code.co_name == 'load_data_list':
            if isinstance(error, FileNotFoundError):
                return f'{place}: there is no such file ({error})'
            return (
                f'{place}: the file is not in the format of this data set '
                f'({type(error).__name__}: {error})'
            )
    return None
