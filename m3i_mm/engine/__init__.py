"""Hooks, optimizer wrappers, their constructors, and schedules."""

from m3i_mm.utils import checkpoint

from .hooks import *  # noqa: F403
from .optimizers import *  # noqa: F403
from .schedulers import *  # noqa: F403
from .sharding import wrap_modules as wrap_modules

checkpoint.install()
