"""What is a text, and how it is written."""

from __future__ import annotations

import datetime
import unicodedata
from typing import Any

import numpy as np

__all__ = ['has_text', 'is_absent', 'written']


def is_absent(value: Any) -> bool:
    """Whether a value stands for no value: ``None``, NaN, NaT."""
    if value is None:
        return True
    # arrays compare by element
    return not hasattr(value, '__len__') and bool(value != value)


def written(value: Any) -> str | list[str]:
    """Return a value as it is written, without what is absent.

    Args:
        value (Any): A text, number or date, bytes in UTF-8, or a list of
            such.

    Returns:
        str | list[str]: A text, ``''`` for what is absent; of a list its
        texts, without those that are empty.

    Raises:
        UnicodeDecodeError: If bytes are not in UTF-8.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple | set):
        texts = [written(entry) for entry in value]
        return [t if isinstance(t, str) else ', '.join(t) for t in texts if t]
    if is_absent(value):
        return ''
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def has_text(text: str) -> bool:
    """Whether a person sees something of a text.

    Spaces, control characters and what has no width are nothing.
    """
    return any(unicodedata.category(c)[0] not in 'ZC' for c in text)
