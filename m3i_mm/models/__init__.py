"""Models: backbones, necks, losses and the pre-training framework.

``detectors`` and ``decode_heads`` need MMDetection and MMSegmentation, so they
are not imported here; configs name their classes by the full path.
"""

from m3i_mm.checkpoints import install

from .backbones import *  # noqa: F403
from .foundation import *  # noqa: F403
from .internimage import *  # noqa: F403
from .losses import *  # noqa: F403
from .necks import *  # noqa: F403
from .pretrainers import *  # noqa: F403

install()
