"""The version of m3i_mm, and the directory that MMEngine resolves configs in.

``mmengine.config`` finds ``m3i_mm::`` configs beside this module: keep it a
plain file at the top of the package.
"""

__version__ = '0.1.0'
