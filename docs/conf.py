"""Sphinx: the documents of the repository as a site; ``make docs``.

The source folder is the root of the repository, so that links between
READMEs and documents are those that one follows in the checkout.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'docs')]

from m3i_mm.version import __version__  # noqa: E402

project = 'm3i_mm'
author = 'm3i_mm contributors'
project_copyright = author
release = __version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'sphinx_copybutton',
    'registered_modules',
]
root_doc = 'docs/index'
include_patterns = [
    'README.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'configs/**/README.md',
    'data/emoji/README.md',
    'docs/**.md',
    'projects/**/README.md',
]
exclude_patterns = ['docs/_build', '**/work_dirs/**', '.venv*']
myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 3
# modules and their docstrings in the order of the source
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
suppress_warnings = [
    'myst.header',
    # docstrings name classes without their modules
    'ref.python',
]

html_theme = 'furo'
html_title = f'm3i_mm {release}'
html_show_sourcelink = False
html_theme_options = dict(
    light_css_variables={'color-brand-primary': '#0b63a5'},
    dark_css_variables={'color-brand-primary': '#74b9ee'},
)
