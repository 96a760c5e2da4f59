"""InternImage, and backbones trained by M3I, in timm.

Importing this module registers ``internimage_tiny`` to ``internimage_giant``
with timm, the released weights as their pretrained tags::

    import timm
    import m3i_mm.timm

    timm.create_model('internimage_tiny', pretrained=True, num_classes=10)

==================  =========================================================
``internimage``     the network with timm's interface
``registration``    its names, weights and settings
``publishing``      a backbone trained by M3I as a folder that timm loads
==================  =========================================================
"""

try:
    import timm  # noqa: F401
except ImportError as error:
    raise ImportError(
        "m3i_mm.timm needs timm: pip install 'm3i_mm[timm]'"
    ) from error

from .internimage import InternImageForTimm
from .publishing import publish_for_timm
from .registration import (
    internimage_base,
    internimage_giant,
    internimage_huge,
    internimage_large,
    internimage_small,
    internimage_tiny,
    internimage_xlarge,
)

__all__ = [
    'InternImageForTimm',
    'internimage_base',
    'internimage_giant',
    'internimage_huge',
    'internimage_large',
    'internimage_small',
    'internimage_tiny',
    'internimage_xlarge',
    'publish_for_timm',
]
