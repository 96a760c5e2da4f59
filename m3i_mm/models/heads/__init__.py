"""Heads that MMPretrain lacks.

They need MMPretrain, so ``m3i_mm.models`` does not import them: a config names
them by their full path, ``type='m3i_mm.models.heads.X'``, which imports this
package.
"""

from .place_and_time_head import PlaceAndTimeHead

__all__ = ['PlaceAndTimeHead']
