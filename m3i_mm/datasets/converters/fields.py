"""Fields of samples in the types that JSON has."""

from __future__ import annotations

import datetime
import decimal
import math
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..texts import is_absent

__all__ = ['to_plain']


def to_plain(value: Any) -> Any:
    """Return a value as JSON can hold it, keeping its writing.

    Args:
        value (Any): Numbers, texts, dates, bytes in UTF-8, arrays, and lists
            and dictionaries of them.

    Returns:
        Any: Dates as ISO 8601 writes them, arrays as lists, what is absent or
        no finite number as None.

    Raises:
        TypeError, UnicodeDecodeError: If it is of another type, or of bytes
            that are no text.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(entry) for entry in value]
    if is_absent(value):
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(
        value,
        decimal.Decimal | datetime.timedelta | uuid.UUID | pathlib.PurePath,
    ):
        return str(value)
    raise TypeError(f'JSON has nothing like {type(value).__name__}')
