"""Data for pre-training and its evaluation."""

from . import transforms
from .faults import DataError, SampleError
from .mixture_dataset import MixtureDataset
from .source_dataset import SampleIndex, SourceDataset
from .sources import *  # noqa: F403
from .stream_batch_sampler import StreamBatchSampler

__all__ = [
    'DataError',
    'MixtureDataset',
    'SampleError',
    'SampleIndex',
    'SourceDataset',
    'StreamBatchSampler',
    'transforms',
]
