"""Hooks, optimizer wrappers, schedules, and strategies."""

from m3i_mm.checkpoints import install

from .hooks import *  # noqa: F403
from .optimizers import *  # noqa: F403
from .schedulers import *  # noqa: F403
from .strategies import *  # noqa: F403

install()
