"""Row ranges that keep a similarity matrix within a memory budget."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ['row_chunks']

# 2^26 float32 similarities are 256 MB, whatever the size of the gallery
MAX_ELEMENTS = 2**26


def row_chunks(
    rows: int, columns: int, max_elements: int = MAX_ELEMENTS
) -> Iterator[slice]:
    """Split the rows of a matrix so that each part has few elements.

    Args:
        rows (int): Number of rows of the whole matrix.
        columns (int): Number of its columns.
        max_elements (int): Most elements of one part; a part has at least
            one row.

    Yields:
        slice: Row ranges that cover ``0 .. rows`` in order.
    """
    step = max(1, max_elements // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
