"""The entry point by which MMEngine's hub registers what a package has."""

from __future__ import annotations

from importlib import import_module

__all__ = ['register_all_modules']


def register_all_modules(init_default_scope: bool = True) -> None:
    """Import every module that registers something.

    ``mmengine.hub.get_model('m3i_mm::...')`` calls it. Configs need it not:
    the registries import what they hold by themselves.

    Args:
        init_default_scope (bool): Part of OpenMMLab's convention and without
            effect, since our configs keep the scope of their task's library.
    """
    for name in (
        'datasets',
        'engine',
        'evaluation',
        'models',
        'visualization',
    ):
        import_module(f'm3i_mm.{name}')
