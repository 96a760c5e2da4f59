"""Packs configs, tools and the model index into the package as ``.mim``.

OpenMIM and MMEngine look for them there. In a checkout, and so in an editable
install, ``m3i_mm/.mim`` holds links to them; a wheel gets copies.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPyWithMim(build_py):
    """Builds the package, then copies the contents of ``.mim`` into it."""

    def run(self) -> None:
        """Build; an editable install uses the links of the checkout."""
        super().run()
        if self.editable_mode:
            return
        mim = Path(self.build_lib, 'm3i_mm', '.mim')
        shutil.rmtree(mim, ignore_errors=True)
        for folder in ('configs', 'tools'):
            shutil.copytree(
                folder,
                mim / folder,
                ignore=shutil.ignore_patterns('__pycache__'),
            )
        shutil.copy2('model-index.yml', mim)


setup(cmdclass={'build_py': BuildPyWithMim})
