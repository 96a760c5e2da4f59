"""DCNv4 and FlashInternImage (Xiong et al., CVPR 2024, arXiv 2401.06197)."""

from .archs import FLASH_ARCHS, FlashInternImageArch
from .backbone import FlashInternImage
from .dcnv4 import DCNv4, dcnv4

__all__ = [
    'FLASH_ARCHS',
    'DCNv4',
    'FlashInternImage',
    'FlashInternImageArch',
    'dcnv4',
]
