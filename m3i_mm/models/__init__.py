"""Models: backbones, necks, losses and the pre-training framework.

``detectors`` and ``decode_heads`` need MMDetection and MMSegmentation, so they
are not imported here; configs name their classes by the full path.
"""

from m3i_mm.utils import checkpoint

from .backbones import *  # noqa: F403
from .classifiers import build_internimage_classifier  # noqa: F401
from .losses import *  # noqa: F403
from .necks import *  # noqa: F403
from .pretrainers import *  # noqa: F403

checkpoint.install()
