"""The command ``m3i``: what the tools do, without the repository."""

from .main import COMMANDS, main

__all__ = ['COMMANDS', 'main']
