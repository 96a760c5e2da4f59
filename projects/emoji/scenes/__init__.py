"""Scenes of emoji on photographs, with the annotations of three formats."""

from .generate import SceneSettings, generate_scenes

__all__ = ['SceneSettings', 'generate_scenes']
