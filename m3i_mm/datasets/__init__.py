"""Data for pre-training and its evaluation."""

from . import transforms
from .collate import collate_annotated
from .faults import DataError, SampleError
from .fields import AnnotationError, Annotations, Field
from .mixture_dataset import MixtureDataset
from .source_dataset import SampleIndex, SourceDataset
from .sources import *  # noqa: F403
from .stream_batch_sampler import StreamBatchSampler

__all__ = [
    'AnnotationError',
    'Annotations',
    'DataError',
    'Field',
    'MixtureDataset',
    'SampleError',
    'SampleIndex',
    'SourceDataset',
    'StreamBatchSampler',
    'collate_annotated',
    'transforms',
]
