"""InternImage (Wang et al., CVPR 2023, arXiv 2211.05778) and its files.

=====================  =======================================================
``archs``              the released sizes
``dcnv3``, ``layers``  the operator as a module; blocks, stem, stages
``backbone``           the network; ``composite`` couples two of them
``necks``              from its maps to one map or vector
``classifier``         with MMPretrain's heads
``released_*``         the authors' files: names, loading, detectors, M3I
``conversion``         between the authors' names and ours
=====================  =======================================================
"""

from .backbone import InternImage
from .classifier import build_internimage_classifier
from .composite import CompositeInternImage
from .dcnv3 import DCNv3
from .necks import AttentionPoolingNeck, ConvPoolingNeck, StageFusion

__all__ = [
    'AttentionPoolingNeck',
    'CompositeInternImage',
    'ConvPoolingNeck',
    'DCNv3',
    'InternImage',
    'StageFusion',
    'build_internimage_classifier',
]
