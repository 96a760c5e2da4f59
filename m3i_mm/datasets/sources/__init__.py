"""Sources of samples: where the pictures, labels and texts come from."""

from .base import Source
from .folder import ImageFolderSource, ImageNetSource
from .hugging_face import HuggingFaceSource
from .image_text_list import ImageTextListSource
from .shards import ShardSource
from .subset import SubsetSource

__all__ = [
    'HuggingFaceSource',
    'ImageFolderSource',
    'ImageNetSource',
    'ImageTextListSource',
    'ShardSource',
    'Source',
    'SubsetSource',
]
