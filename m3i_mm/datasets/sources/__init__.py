"""Sources of samples: where the pictures, labels and texts come from."""

from .base import Source
from .class_tars import ClassTarsSource
from .folder import ImageFolderSource, ImageNetSource
from .hugging_face import HuggingFaceSource
from .image_text_list import ImageTextListSource
from .paired_files import PairedFilesSource
from .shards import ShardSource
from .subset import SubsetSource

__all__ = [
    'ClassTarsSource',
    'HuggingFaceSource',
    'ImageFolderSource',
    'ImageNetSource',
    'ImageTextListSource',
    'PairedFilesSource',
    'ShardSource',
    'Source',
    'SubsetSource',
]
