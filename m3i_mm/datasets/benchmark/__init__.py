"""How fast images become batches, and whether a model waits for them."""

from .bottleneck import Bottleneck, find_bottleneck
from .pipelines import PIPELINES, Speed, compare_pipelines, load_jpegs

__all__ = [
    'Bottleneck',
    'PIPELINES',
    'Speed',
    'compare_pipelines',
    'find_bottleneck',
    'load_jpegs',
]
