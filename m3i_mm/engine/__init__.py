"""Hooks, optimizer wrappers and their constructors."""

from m3i_mm.utils import checkpoint

from .hooks import *  # noqa: F403
from .optimizers import *  # noqa: F403

checkpoint.install()
